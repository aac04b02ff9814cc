import pytest

from denoisebench.bench.paths import cache_folder
from denoisebench.reports import charts


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The number of times that the script is made, by a short one that stands for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def bundle():
        calls.append(1)
        return "window.vegaEmbed = 1;\n// ünï\n"

    monkeypatch.setattr(charts.vl_convert, "javascript_bundle", bundle)
    return calls


def test_the_script_of_the_charts_is_made_once_for_all_reports(made):
    scripts = {charts.javascript_bundle() for _ in range(3)}
    assert scripts == {"window.vegaEmbed = 1;\n// ünï\n"}
    assert len(made) == 1


@pytest.mark.parametrize("damage", ["cut", "other", "gone", "folder"])
def test_a_damaged_script_is_made_again(damage, made):
    script = charts.javascript_bundle()
    (kept,) = cache_folder().glob("charts-*.js")
    content = kept.read_text()
    kept.unlink()
    if damage == "folder":
        kept.mkdir()
    elif damage != "gone":
        kept.write_text(content[:-5] if damage == "cut" else content.replace("= 1", "= 2"))
    assert charts.javascript_bundle() == script
    assert len(made) == 2
