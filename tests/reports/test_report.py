import json

import pandas as pd
import pytest
import yaml

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.run import load_run
from denoisebench.reports.current import is_current
from denoisebench.reports.report import write_report
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.cli import GRID as SWEPT
from tests.helpers.cli import call, tiny
from tests.helpers.fake_run import CLIP, FD, fabricate

GRID = {"steps": (2, 4), "schedulers": ("ddim", "euler"), "samples": 8}


@pytest.mark.slow
def test_a_report_leaves_page_tables_figures_and_galleries(tmp_path):
    folder = tmp_path / "run"
    fabricate(folder, **GRID)
    page = write_report(folder)
    assert page == folder / "report.html"
    stems = ("vs_steps", "vs_nfe", "vs_seconds", "gain_per_step", "vs_latency_pareto")
    stems += ("steps_and_guidance",)
    expected = {f"{m}_{s}.{kind}" for m in (FD, CLIP) for s in stems for kind in ("svg", "png")}
    expected |= {"decision.svg", "decision.png", "latency_by_stage.svg", "latency_by_stage.png"}
    expected |= {"gallery_guidance_1.png", "gallery_guidance_4.png"}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    text = page.read_text()
    assert "window.vegaEmbed=" in text
    for name in expected - {"gallery_guidance_1.png", "gallery_guidance_4.png"}:
        assert f'href="figures/{name}"' in text
    assert len(pd.read_parquet(folder / "results.parquet")) == 8
    assert len(pd.read_csv(folder / "results.csv")) == 8


def test_a_sweep_that_failed_altogether_still_has_a_report(tmp_path):
    folder = tmp_path / "run"
    fabricate(folder, **GRID, failed=[(s, n) for s in ("ddim", "euler") for n in (2, 4)])
    text = write_report(folder).read_text()
    assert text.count("IndexError") == 8
    assert not (folder / "figures").exists()


@pytest.mark.slow
def test_panels_whose_names_look_alike_keep_a_gallery_each(tmp_path):
    folder = tmp_path / "run"
    fabricate(folder, **GRID | {"models": ("a-b", "a_b"), "guidances": (1.0,)})
    write_report(folder)
    names = sorted(path.name for path in (folder / "figures").glob("gallery_*"))
    assert names == ["gallery_a_b_guidance_1.png", "gallery_a_b_guidance_1_1.png"]


def test_a_folder_that_is_no_run_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="is not a run"):
        write_report(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "{{", "schema: 1", "schema: 1\ndefaults: [{model: a}]"])
def test_a_sweep_that_finds_no_whole_defaults_writes_them_again(content, copied, capsys):
    path = copied / "tiny" / "defaults.yaml"
    before = yaml.safe_load(path.read_text())
    path.unlink() if content is None else path.write_text(content)
    code, _, err = call(capsys, *tiny(copied, *SWEPT))
    assert code == 0, err
    assert yaml.safe_load(path.read_text()) == before
    assert shows_its_store(load_run(path.parent))


def shows_its_store(run):
    return is_current(run, load_frame(run))


@pytest.mark.slow
def test_a_report_is_of_the_records_that_it_is_younger_than(tmp_path):
    run = fabricate(tmp_path / "run", **GRID)
    write_report(run.folder)
    assert shows_its_store(run)
    (run.folder / "sweep.json").touch()
    assert not shows_its_store(run)
    write_report(run.folder)
    (run.folder / "defaults.yaml").unlink()
    assert not shows_its_store(run)


@pytest.mark.parametrize(
    "content", ['[{"a": 1}]', "{", "5", "[3]", "[]", "{}", '[{"design": {"first": 1}}]', "\udcff"]
)
def test_a_race_that_is_damaged_is_named_with_its_cure(content, tmp_path):
    run = fabricate(tmp_path / "run", **GRID)
    race = run.folder / "race.json"
    race.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError) as error:
        write_report(run.folder)
    assert str(error.value) == f"{race} cannot be read: run the sweep again, its store is kept"


@pytest.mark.parametrize(
    "margins",
    [
        [1],
        {FD: 3},
        {FD: {"absolute": "much"}},
        {FD: {"absolute": -1.0}},
        {FD: {}},
        {FD: {"absolute": 1.0, "relative": 0.1}},
    ],
)
def test_margins_that_none_has_declared_are_a_damage_of_the_sweeps_record(margins, tmp_path):
    run = fabricate(tmp_path / "run", **GRID)
    path = run.folder / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "margins": margins}))
    with pytest.raises(UserError) as error:
        load_run(run.folder)
    assert str(error.value) == f"{path} cannot be read: run the sweep again, its store is kept"
