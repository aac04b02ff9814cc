"""`denoisebench open` and `demo` through the real command line."""

import webbrowser

import pytest

from denoisebench.bench.commands import sweep
from denoisebench.bench.sweep import sweep as running
from tests.helpers.cli import call, tiny


@pytest.fixture
def opened(monkeypatch):
    """Addresses that the browser was sent to."""
    addresses = []
    monkeypatch.setattr(webbrowser, "open", lambda url: addresses.append(url) or True)
    return addresses


@pytest.mark.parametrize("name", ["report.html", "verify.html", "caches.html"])
def test_the_page_of_a_folder_is_opened_in_the_browser(name, opened, tmp_path, capsys):
    (tmp_path / "a run").mkdir()
    (tmp_path / "a run" / name).write_text("")
    code, out, _ = call(capsys, "open", tmp_path / "a run")
    assert code == 0
    assert out == f"opened: {tmp_path / 'a run' / name}\n"
    assert opened == [f"file://{tmp_path}/a%20run/{name}"]


def test_a_folder_without_a_page_is_told_how_to_make_one(opened, tmp_path, capsys):
    code, _, err = call(capsys, "open", tmp_path)
    assert (code, opened) == (2, [])
    assert f"`denoisebench report {tmp_path}` makes that of a run" in err


def test_a_folder_that_there_is_not_has_no_report_to_make(opened, tmp_path, capsys):
    (tmp_path / "here").mkdir()
    for folders in (["nope"], ["here", "nope"]):
        code, _, err = call(capsys, "open", *(tmp_path / name for name in folders))
        assert (code, opened) == (2, [])
        assert f"{tmp_path / 'nope'}: there is no such run; `denoisebench list runs`" in err
        assert "denoisebench report" not in err


def test_of_several_runs_the_page_that_they_have_together_is_opened(opened, tmp_path, capsys):
    runs = [tmp_path / name for name in ("a", "b")]
    for folder in runs:
        folder.mkdir()
    code, _, err = call(capsys, "open", *runs)
    assert (code, opened) == (2, [])
    assert f"`denoisebench report {runs[0]} {runs[1]}` makes it" in err
    page = tmp_path / "a+b" / "report.html"
    page.parent.mkdir()
    page.write_text("")
    code, out, _ = call(capsys, "open", *runs)
    assert (code, out) == (0, f"opened: {page}\n")
    assert opened == [page.as_uri()]


def test_where_no_browser_can_be_started_the_page_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "report.html").write_text("")
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    code, _, err = call(capsys, "open", tmp_path)
    assert code == 2
    assert f"open {tmp_path / 'report.html'} in one" in err


def test_the_demo_is_the_sweep_of_its_experiment(capsys, monkeypatch, tmp_path):
    grids = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "_sweep_grid", lambda configs, *_: grids.append(configs) or 0)
    assert call(capsys, "demo", "samples=64", "--dry-run")[0] == 0
    assert call(capsys, "sweep", "experiment=demo", "samples=64", "--dry-run")[0] == 0
    demo, swept = grids
    assert demo == swept
    assert len(demo) == 20
    assert {job["run"] for job in demo} == {"demo"}


def test_a_demo_that_is_stopped_says_how_to_go_on(capsys, monkeypatch):
    def stopped(configs, problems, command):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "_sweep_grid", stopped)
    for words in (("demo",), ("sweep", "steps=2")):
        code, _, err = call(capsys, *words)
        assert code == 130
        assert err.startswith("denoisebench: stopped; the same command goes on where it stopped")


def test_a_sweep_that_is_stopped_names_its_folder(capsys, monkeypatch, tmp_path):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "run_sweep", stopped)
    code, _, err = call(capsys, *tiny(tmp_path))
    assert code == 130
    assert f"goes on where it stopped, `denoisebench report {tmp_path / 'tiny'}` shows what" in err
