"""Where a series of packs took a step."""

from dataclasses import replace

import numpy as np
import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.records.pack import pack_run
from denoisebench.bench.records.pack_file import write_pack
from denoisebench.metrics.estimate import Estimate
from denoisebench.reports.check.history import courses
from tests.helpers.checked import SLOWER, changed, each, timed
from tests.helpers.cli import call
from tests.helpers.fake_run import FD, MARGINS, fabricate


@pytest.fixture
def run(tmp_path):
    return fabricate(tmp_path / "run", schedulers=("ddim",), guidances=(4.0,), samples=400)


def test_packs_that_only_timed_are_no_step_of_quality(run):
    pack = pack_run(run)

    def short(cell):
        kept = {
            name: replace(m, estimate=Estimate(1e6, np.array([-1.0, 1.0])))
            for name, m in cell.metrics.items()
        }
        return replace(cell, metrics=kept, samples=2)

    series = [replace(pack, unix_s=1e9), replace(pack, unix_s=2e9), each(pack, short)]
    found = courses(series, MARGINS, SLOWER)
    assert not any(course.steps for course in found)
    assert {len(course.levels) for course in found if course.measure == FD} == {2}
    assert {len(course.levels) for course in found if course.measure == "latency"} == {3}


def test_a_step_in_a_series_is_found_where_it_began(run, tmp_path, capsys):
    pack, paths = pack_run(run), []
    for place, shift in enumerate([0, 0, 0, 3.0, 3.0]):
        named = replace(changed(pack, FD, shift), name=f"v{place}", unix_s=1e9 + 86400 * place)
        paths.append(tmp_path / f"{place}.dbpack")
        write_pack(named, paths[-1])
    margins = tmp_path / "margins.yaml"
    margins.write_text("name: mine\ngating: {fd_shapes: {absolute: 2.0}}\n")
    given = (*reversed(paths), f"--margins={margins}", f"--out={tmp_path / 'out'}")
    code, out, err = call(capsys, "history", *given)
    assert code == 0, err
    assert out.count("v3") == 4  # once for each cell
    assert "v2 " not in out
    assert (tmp_path / "out" / "fd_shapes_history.svg").stat().st_size > 1000


def test_a_step_in_time_is_found_where_it_began(run, tmp_path, capsys):
    pack, folder = pack_run(run), tmp_path / "packs"
    for place, factor in enumerate([1, 1, 1.4, 1.4]):
        cells = [timed(cell, factor) for cell in pack.cells[:1]]
        named = replace(pack, name=f"v{place}", unix_s=1e9 + 86400 * place, cells=cells)
        write_pack(named, folder / f"{place}.dbpack")
    code, out, err = call(capsys, "history", folder, f"--out={tmp_path / 'out'}")
    assert code == 0, err
    lines = [line for line in out.splitlines() if "Latency / that of" in line]
    assert len(lines) == 1
    assert "v2" in lines[0]
    assert "40.0 %" in lines[0]
    assert (tmp_path / "out" / "latency_history.png").stat().st_size > 1000


def test_a_history_takes_the_margins_that_its_runs_declared(run, tmp_path, capsys):
    pack, paths = replace(pack_run(run), margins={FD: {"absolute": 5.0}}), []
    for place, shift in enumerate([0, 0, 3.0, 3.0]):
        named = replace(changed(pack, FD, shift), name=f"v{place}", unix_s=1e9 + place)
        paths.append(tmp_path / f"{place}.dbpack")
        write_pack(named, paths[-1])
    asked = ("history", *paths, f"--out={tmp_path / 'out'}")
    assert "v2" not in call(capsys, *asked)[1]
    margins = tmp_path / "margins.yaml"
    margins.write_text("name: mine\ngating: {fd_shapes: {absolute: 2.0}}\n")
    assert "v2" in call(capsys, *asked, f"--margins={margins}")[1]


def test_a_history_of_samples_held_together_otherwise_is_refused(run):
    pack = pack_run(run)

    def grouped(cell):
        old = cell.metrics[FD]
        halves = np.arange(len(old.estimate.influence)) % 2
        fd = Estimate(old.estimate.value, old.estimate.influence, halves)
        return replace(cell, metrics=cell.metrics | {FD: replace(old, estimate=fd)})

    with pytest.raises(UserError, match="fd_shapes is of other samples"):
        courses([pack, each(pack, grouped)], MARGINS, SLOWER)


def test_a_second_model_in_a_later_pack_hides_no_series(run):
    pack = pack_run(run)
    other = [replace(c, cell=replace(c.cell, model="other")) for c in pack.cells]
    both = replace(pack, unix_s=pack.unix_s + 1, cells=[*pack.cells, *other])
    assert len(courses([pack, pack, both], MARGINS, {})) == 2 * len(pack.cells)


def test_a_history_of_one_pack_is_refused(run, capsys):
    code, _, err = call(capsys, "history", run.folder)
    assert code == 2
    assert "two packs" in err
