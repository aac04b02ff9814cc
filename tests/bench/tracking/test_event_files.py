"""Event files of TensorBoard, read back by TensorBoard."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from denoisebench.bench.records.rows import rows
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.event_files import write_event_files
from denoisebench.bench.tracking.targets import Target, targets
from tests.helpers.published import STEPS, files_under, make_run, write_defaults

DDIM = "shapes, ddim, guidance 4"


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def wanted_of(run) -> list[Target]:
    return targets(run, rows(run))


def test_a_curve_lies_along_its_steps_evaluations_and_milliseconds(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    where = write_event_files(run, wanted_of(run))
    assert f"tensorboard --logdir {tmp_path / 'tensorboard'}" in where
    events = read(tmp_path / "tensorboard" / "demo" / DDIM)
    values = [10 / n for n in STEPS]
    assert scalars(events, "quality/fd_shapes") == list(zip(STEPS, values, strict=True))
    assert scalars(events, "by_nfe/fd_shapes") == list(zip(STEPS, values, strict=True))
    in_ms = [(50 * n, value) for n, value in zip(STEPS, values, strict=True)]
    assert scalars(events, "by_ms/fd_shapes") == in_ms
    assert events.Scalars("speed/latency_p50_s")[0].wall_time == 1_700_000_000.25


def test_the_summary_holds_defaults_and_figures(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    write_defaults(run, steps=16)
    Image.new("RGB", (3, 2)).save(run.folder / "figures" / "quality.png")
    write_event_files(run, wanted_of(run))
    events = read(tmp_path / "tensorboard" / "demo" / "demo summary")
    assert scalars(events, "default_nfe") == [(0, 16.0)]
    assert [events.Images("figures/quality")[0].width] == [3]
    assert "_hparams_/session_start_info" in events.summary_metadata
    [about] = events.Tensors("about")
    assert b"ddim, 16 steps" in about.tensor_proto.string_val[0]


def test_of_cells_at_one_step_the_first_is_written_and_the_others_are_named(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    run.store.write_record(run.entries[1].cell.key, "cost", {"nfe": 2, "network_passes": 4})
    write_event_files(run, wanted_of(run))
    events = read(tmp_path / "tensorboard" / "demo" / DDIM)
    assert scalars(events, "by_nfe/fd_shapes") == [(2, 5.0), (8, 1.25)]
    assert scalars(events, "quality/fd_shapes") == [(2, 5.0), (4, 2.5), (8, 1.25)]
    [text] = events.Tensors("left_out")
    assert text.tensor_proto.string_val[0] == b"- by_nfe/fd_shapes of 4 steps: step 2 is taken"


def test_writing_twice_changes_nothing_and_a_changed_curve_is_written_anew(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    wanted = wanted_of(run)
    write_event_files(run, wanted)
    before = files_under(tmp_path / "tensorboard")
    write_event_files(run, wanted)
    assert files_under(tmp_path / "tensorboard") == before
    shorter = replace(wanted[0], points=wanted[0].points[:2])
    write_event_files(run, [shorter, *wanted[1:]])
    events = read(tmp_path / "tensorboard" / "demo" / DDIM)
    assert scalars(events, "quality/fd_shapes") == [(2, 5.0), (4, 2.5)]
    assert len(list((tmp_path / "tensorboard" / "demo" / DDIM).iterdir())) == 2


def folders_under(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_curves_of_one_name_and_of_long_names_have_folders_of_their_own(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    ddim, euler, summary = wanted_of(run)
    write_event_files(run, [ddim, replace(euler, name=ddim.name), replace(summary, name="é" * 200)])
    names = folders_under(tmp_path / "tensorboard" / "demo")
    same = {f"{DDIM} {target.identity[:8]}" for target in (ddim, euler)}
    assert names == {*same, f"{'é' * 100} {summary.identity[:8]}"}


def test_curves_that_the_run_has_no_more_are_removed_and_nothing_else(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    own = tmp_path / "tensorboard" / "demo" / "of the user"
    own.mkdir(parents=True)
    wanted = wanted_of(run)
    write_event_files(run, wanted)
    write_event_files(run, wanted[1:])
    assert folders_under(own.parent) == {own.name, *(target.name for target in wanted[1:])}


def test_figures_that_changed_are_written_anew(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    for width in (3, 5):
        Image.new("RGB", (width, 2)).save(run.folder / "figures" / "quality.png")
        write_event_files(run, wanted_of(run))
        events = read(tmp_path / "tensorboard" / "demo" / "demo summary")
        assert [image.width for image in events.Images("figures/quality")] == [width]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path):
    run = make_run(tmp_path / "demo")
    (tmp_path / "tensorboard").write_text("a file in the way")
    with pytest.raises(TrackingDown, match=r"^TensorBoard in .*denoisebench log [^\n]*$"):
        write_event_files(run, wanted_of(run))
