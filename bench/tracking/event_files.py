"""Writes a run as event files of TensorBoard, beside the run folders: tensorboard/RUN/CURVE.

Event files can only be added to, so a curve whose content changed is written anew, into a folder
that takes the place of the earlier one; a curve that is there as it should be is left alone, and
one that the run has no more is removed.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from denoisebench.bench.paths import hash_of
from denoisebench.bench.records.cell import digest
from denoisebench.bench.records.run import Run
from denoisebench.bench.tracking.down import TrackingDown
from denoisebench.bench.tracking.targets import Target
from denoisebench.bench.tracking.values import Point

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

_CONTENT = "content.txt"  # in a curve's folder, written last: its hash
_NAME_BYTES = 200  # of a folder: file systems take 255, and a suffix follows while it is written


def write_event_files(run: Run, wanted: Sequence[Target]) -> str:
    """Writes what is missing or has changed. Returns how to look at it.

    Raises TrackingDown when TensorBoard cannot be imported or the folder cannot be written.
    """
    folder = run.folder.parent / "tensorboard"
    try:
        names = _file_names(wanted)
        for name, target in zip(names, wanted, strict=True):
            _write(folder / run.name / name, target, run.folder)
        for content in (folder / run.name).glob(f"*/{_CONTENT}"):
            if content.parent.name not in names:
                shutil.rmtree(content.parent)
    except Exception as error:  # TensorBoard's, protobuf's, the disk's: none may cost a sweep
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TrackingDown(f"TensorBoard in {folder}: {line}", run.folder) from error
    return f"`tensorboard --logdir {folder}`, then http://localhost:6006"


def _file_names(wanted: Sequence[Target]) -> list[str]:
    """Names of the targets' folders; a name of several, or a long one, has some of the identity."""
    names = [target.name.replace("/", "_") for target in wanted]
    times = Counter(names)
    return [
        name
        if times[name] == 1 and len(name.encode()) <= _NAME_BYTES
        else f"{name.encode()[:_NAME_BYTES].decode(errors='ignore')} {target.identity[:8]}"
        for name, target in zip(names, wanted, strict=True)
    ]


def _content(target: Target, run_folder: Path) -> str:
    """Hash of all that is written of a target."""
    if not target.is_summary:
        return target.content
    pictures = {path.name: hash_of([path.read_bytes()]) for path in _pictures(run_folder)}
    return digest([target.content, pictures], 20)


def _write(folder: Path, target: Target, run_folder: Path) -> None:
    earlier, content = folder / _CONTENT, _content(target, run_folder)
    if earlier.is_file() and earlier.read_text() == content:
        return
    made = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    _write_events(made, target, run_folder)
    (made / _CONTENT).write_text(content)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)


def _write_events(folder: Path, target: Target, run_folder: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    last_s = target.span_ms[1] / 1000
    places, ties = _one_a_step(target.points)
    writer = EventFileWriter(str(folder))
    try:
        if target.params:
            summary = hparams_pb(target.params, trial_id=target.identity, start_time_secs=last_s)
            writer.add_event(Event(wall_time=last_s, step=0, summary=summary))
        for tag, text in _texts(target, ties):
            writer.add_event(Event(wall_time=last_s, step=0, summary=_text(tag, text)))
        for name, step, value, time_ms in places:
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            writer.add_event(Event(wall_time=time_ms / 1000, step=step, summary=summary))
        for path in _pictures(run_folder) if target.is_summary else []:
            writer.add_event(Event(wall_time=last_s, step=0, summary=_picture(path)))
    finally:
        writer.close()


def _one_a_step(
    points: Sequence[Point],
) -> tuple[list[tuple[str, int, float, int]], list[str]]:
    """Name, step, value and time of what is written, in the order of steps, and what is left out.

    TensorBoard shows one value at a step and drops the others in silence. So of cells that take as
    many evaluations, or milliseconds when rounded, the one with the fewest steps is written.
    """
    places: dict[tuple[str, int], tuple[float, int]] = {}
    left_out = []
    for point in sorted(points, key=lambda point: point.axes["steps"]):
        for name, value in point.values.items():
            step = round(point.along(name))
            if (name, step) in places:
                left_out.append(f"{name} of {point.axes['steps']} steps: step {step} is taken")
            else:
                places[name, step] = (value, point.time_ms)
    return [(*place, *places[place]) for place in sorted(places)], left_out


def _texts(target: Target, left_out: Sequence[str]) -> Iterator[tuple[str, str]]:
    table = "\n".join(f"| {name} | {text} |" for name, text in target.tags.items())
    yield (
        "about",
        "\n\n".join(filter(None, [target.note, f"| tag | value |\n| --- | --- |\n{table}"])),
    )
    if left_out:
        yield "left_out", "\n".join(f"- {line}" for line in left_out)


def _text(tag: str, text: str) -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.util.tensor_util import make_tensor_proto

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    metadata = SummaryMetadata(plugin_data=plugin)
    tensor = make_tensor_proto([text.encode()])
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def _pictures(run_folder: Path) -> list[Path]:
    return sorted((run_folder / "figures").glob("*.png"))


def _picture(path: Path) -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary

    with Image.open(path) as picture:
        size: dict[str, Any] = {"width": picture.width, "height": picture.height}
    image = Summary.Image(encoded_image_string=path.read_bytes(), colorspace=4, **size)
    return Summary(value=[Summary.Value(tag=f"figures/{path.stem}", image=image)])
