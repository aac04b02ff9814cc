"""Images of another program, scored through the real command line."""

import csv
import json

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from denoisebench import UserError, apply
from denoisebench.__main__ import run
from denoisebench.bench.inputs.pictures import pictures_hash
from denoisebench.bench.inputs.prompts import PromptSet
from denoisebench.bench.records.run import load_run
from denoisebench.bench.score.scorer import Scorer
from tests.helpers.cli import call, tiny
from tests.helpers.pages import Page

SWEEP = ("run=made", "scheduler=ddim,euler", "steps=2,3", "samples=12", "batch_size=5")


def exported(swept, folder, *, suffix="png", seconds=False):
    """A run's images as another program would leave them, with a manifest beside them."""
    rows = []
    for entry in swept.entries:
        cell = entry.cell
        images = swept.store.read(cell.key, "images", entry.samples)["images"]
        place = folder / f"{cell.scheduler}-{cell.steps}"
        place.mkdir(parents=True)
        for i, image in enumerate(images):
            name = f"{i:03d}.{suffix}"
            Image.fromarray(image.transpose(1, 2, 0)).save(place / name)
            row = {"file": f"{place.name}/{name}", "index": i, "guidance": cell.guidance}
            row |= {"scheduler": cell.scheduler, "steps": cell.steps}
            rows.append(row | ({"seconds": 0.1 * cell.steps} if seconds else {}))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a sweep, and of its images as PNGs."""
    runs = tmp_path_factory.mktemp("runs")
    assert run(tiny(runs, *SWEEP)) == 0
    swept = load_run(runs / "made")
    return runs, exported(swept, tmp_path_factory.mktemp("images") / "png", seconds=True)


def scored(capsys, made, *more, name="scored"):
    runs, images = made
    words = [f"runs={runs}", "threads=1"]
    if not any("tracking" in word for word in more):
        words.append("tracking=none")
    return call(capsys, "score", images, f"--name={name}", *words, *more)


def like(made, *more):
    return (f"--like={made[0] / 'made'}", *more)


def rows_of(folder):
    return pd.read_parquet(folder / "results.parquet").set_index(["scheduler", "steps"])


@pytest.mark.slow
def test_a_sweeps_own_images_give_its_own_numbers_to_the_last_digit(made, capsys):
    code, out, _ = scored(capsys, made, *like(made, "--same-noise"))
    assert code == 0
    assert out.splitlines()[-1] == f"report: {made[0] / 'scored' / 'report.html'}"
    ours, theirs = rows_of(made[0] / "scored"), rows_of(made[0] / "made")
    columns = [c for c in theirs if c.startswith(("fd_shapes", "clip_score"))]
    assert len(columns) > 5
    pd.testing.assert_frame_equal(ours[columns], theirs[columns], check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "threads"), [((), 1), (("threads=3",), 3)])
def test_it_computes_with_as_many_threads_as_the_run_it_is_like(
    words, threads, made, capsys, monkeypatch
):
    """The last digits of a sum depend on them."""
    seen, score = set(), Scorer.score

    def watched(*given, **more):
        seen.add(torch.get_num_threads())
        return score(*given, **more)

    monkeypatch.setattr(Scorer, "score", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        given = (f"--name=threads{threads}", f"runs={made[0]}", "tracking=none", *words)
        code, _, err = call(capsys, "score", made[1], *given, *like(made, "--same-noise"))
    finally:
        torch.set_num_threads(before)
    assert (code, err) == (0, "")
    assert seen == {threads}


@pytest.mark.slow
def test_what_nobody_measured_is_left_empty(made, capsys):
    scored(capsys, made, *like(made), name="empty")
    rows = rows_of(made[0] / "empty")
    unknown = ["nfe", "network_passes", "executed_steps", "vendor_steps", "calibration_s"]
    assert rows[[*unknown, "peak_memory_bytes", "latency_text_s"]].isna().all(axis=None)
    assert rows["latency_p50_s"].to_dict() == pytest.approx(
        {key: 0.1 * key[1] for key in rows.index}
    )


@pytest.mark.slow
def test_seconds_that_are_taken_back_are_gone(made, tmp_path, capsys):
    images = exported(load_run(made[0] / "made"), tmp_path / "png")
    scored(capsys, (made[0], images), *like(made, "--seconds=2"), name="timed")
    assert (rows_of(made[0] / "timed")["latency_p50_s"] == 2).all()
    scored(capsys, (made[0], images), *like(made), name="timed")
    assert rows_of(made[0] / "timed")["latency_p50_s"].isna().all()


@pytest.mark.slow
def test_a_tracker_gets_them(made, tmp_path, capsys):
    address = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    code, out, err = scored(capsys, made, *like(made), "tracking=mlflow", address, name="tracked")
    assert (code, err) == (0, "")
    assert "mlflow: " in out
    assert out.splitlines()[-1].startswith("report: ")


def test_images_that_no_record_names_are_told_of(made, tmp_path, capsys):
    images = exported(load_run(made[0] / "made"), tmp_path / "png")
    Image.new("RGB", (32, 32)).save(images / "extra.png")
    _, out, _ = scored(capsys, (made[0], images), *like(made), name="extra")
    assert "1 image of" in out


def test_prompts_that_a_manifest_says_are_kept_for_a_next_run(made, tmp_path, capsys):
    pictures = tmp_path / "png"
    pictures.mkdir()
    rows = ["file,prompt"]
    for i in range(8):
        Image.effect_noise((32, 32), 60).convert("RGB").save(pictures / f"{i}.png")
        rows.append(f"{i}.png,a thing {i}")
    (pictures / "manifest.csv").write_text("\n".join(rows))
    assert scored(capsys, (made[0], pictures), name="said")[0] == 0
    again = scored(capsys, (made[0], pictures), f"--like={made[0] / 'said'}", name="said2")
    assert again[0] == 0, again


@pytest.mark.slow
def test_the_page_says_what_is_not_known(made, capsys):
    _, out, _ = scored(capsys, made, *like(made), name="page")
    assert "paired by prompt alone" in out
    page = (made[0] / "page" / "report.html").read_text()
    assert "paired by prompt alone" in Page(page).text
    assert "nan" not in Page(page).text.lower().replace("nano", "")


@pytest.mark.slow
def test_the_same_command_again_reads_no_image(made, capsys, monkeypatch):
    scored(capsys, made, *like(made), name="again")
    monkeypatch.setattr("denoisebench.bench.imported.store.read_picture", None)
    code, out, _ = scored(capsys, made, *like(made), name="again")
    assert code == 0
    assert "every cell was already in the store" in out


@pytest.mark.slow
def test_an_image_that_changed_makes_its_cell_anew(made, tmp_path, capsys):
    images = exported(load_run(made[0] / "made"), tmp_path / "png")
    scored(capsys, (made[0], images), *like(made), name="changed")
    before = rows_of(made[0] / "changed")
    Image.new("RGB", (32, 32), (255, 0, 0)).save(images / "ddim-2" / "000.png")
    pictures_hash.cache_clear()  # a command is a new process
    scored(capsys, (made[0], images), *like(made), name="changed")
    after = rows_of(made[0] / "changed")
    is_other = before["key"] != after["key"]
    assert is_other.to_dict() == {key: key == ("ddim", 2) for key in before.index}
    assert before.loc[("ddim", 2), "fd_shapes"] != after.loc[("ddim", 2), "fd_shapes"]


@pytest.mark.slow
def test_a_check_pairs_them_with_the_run_they_are_like(made, capsys):
    scored(capsys, made, *like(made, "--same-noise"), name="same")
    sides = (f"--baseline={made[0] / 'made'}", f"--candidate={made[0] / 'same'}")
    code, out, _ = call(capsys, "check", *sides, "--only=quality,images")
    assert code == 0, out
    assert "quality pass" in out
    assert "images pass" in out


@pytest.mark.slow
def test_a_check_of_other_noise_is_refused(made, capsys):
    scored(capsys, made, *like(made), name="other")
    sides = (f"--baseline={made[0] / 'made'}", f"--candidate={made[0] / 'other'}")
    code, _, err = call(capsys, "check", *sides)
    assert code == 2
    assert "initial noise" in err


def test_images_with_loss_are_told_of(made, tmp_path, capsys):
    images = exported(load_run(made[0] / "made"), tmp_path / "jpg", suffix="jpg")
    _, out, _ = scored(capsys, (made[0], images), *like(made), name="lossy")
    assert "48 of 48 images were stored with loss" in out


def numbered(folder, numbers, name="{:05d}.png"):
    """Images of noise in files that are named by their numbers."""
    folder.mkdir()
    for number in numbers:
        image = Image.effect_noise((32, 32), 60).convert("RGB")
        image.save(folder / name.format(number))
    return folder


def warnings_of(out):
    return [line for line in out.splitlines() if line.startswith("warning: ")]


def test_a_number_that_is_missing_is_named(made, tmp_path, capsys):
    images = numbered(tmp_path / "images", [n for n in range(12) if n != 5])
    code, _, err = scored(capsys, (made[0], images), *like(made), name="gap")
    assert code == 2
    assert "sample 5 is missing, counted from 0: 00011.png is sample 11, and there are 11" in err


def test_numbers_of_comfyui_begin_at_one_beside_a_run_too(made, tmp_path, capsys):
    images = numbered(tmp_path / "images", range(1, 13), "ComfyUI_{:05d}_.png")
    code, out, err = scored(capsys, (made[0], images), *like(made), name="comfy")
    assert code == 0, err
    assert any("images are numbered from 1" in line for line in warnings_of(out))
    (entry,) = load_run(made[0] / "comfy").entries
    assert entry.samples == 12


def test_fewer_images_than_a_run_has_samples_are_told_of(made, tmp_path, capsys):
    images = numbered(tmp_path / "images", range(11))
    code, out, err = scored(capsys, (made[0], images), *like(made), name="shorter")
    assert code == 0, err
    (line,) = [line for line in warnings_of(out) if "samples" in line]
    assert line == (
        f"warning: a cell has 11 samples and one of {made[0] / 'made'} 12: if that is not meant, "
        "add the last images"
    )
    assert "a cell has 11 samples" in Page((made[0] / "shorter" / "report.html").read_text()).text


def test_a_prompt_of_the_run_that_no_image_is_of_is_named(made, tmp_path, capsys):
    images = numbered(tmp_path / "images", range(11))
    others = [text for n, text in enumerate(PromptSet(None).first(12)) if n != 5]
    rows = [f'{n:05d}.png,"{text}",{n}' for n, text in enumerate(others)]
    (images / "manifest.csv").write_text("\n".join(["file,prompt,seed", *rows]))
    code, _, err = scored(capsys, (made[0], images), *like(made), name="gap")
    assert code == 2
    assert "sample 5 is missing" in err


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        ((), ["a cell has 8 images of 9 prompts, of which the last has none"]),
        (("--samples=6",), []),  # it was asked for
    ],
)
def test_fewer_images_than_prompts_are_told_of(words, warned, made, tmp_path, capsys):
    images = numbered(tmp_path / "images", range(8))
    (tmp_path / "prompts.txt").write_text("".join(f"a thing {i}\n" for i in range(9)))
    given = (f"--prompts={tmp_path / 'prompts.txt'}", *words)
    code, out, err = scored(capsys, (made[0], images), *given, name="fewer")
    assert code == 0, err
    lines = [line for line in warnings_of(out) if "a cell has" in line]
    assert len(lines) == len(warned)
    assert all(text in line for text, line in zip(warned, lines, strict=True))


def test_a_last_round_through_the_prompts_that_is_not_whole_is_told_of(made, tmp_path, capsys):
    images = numbered(tmp_path / "images", range(7))
    (tmp_path / "prompts.txt").write_text("a\nb\nc\nd\n")
    rows = [f"{n:05d}.png,{'abcd'[n % 4]},{n}" for n in range(7)]
    (images / "manifest.csv").write_text("\n".join(["file,prompt,seed", *rows]))
    given = (f"--prompts={tmp_path / 'prompts.txt'}", "metrics=none")
    _, out, _ = scored(capsys, (made[0], images), *given, name="rounds")
    assert "7 images of 4 prompts, of which the last has fewer than the others" in out


def test_prompts_of_a_file_and_metrics_of_ones_own(made, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("".join(f"a thing {i}\n" for i in range(12)))
    code, out, _ = scored(capsys, made, f"--prompts={tmp_path / 'prompts.txt'}", name="own")
    assert code == 0
    assert "answer: " in out
    config = yaml.safe_load((made[0] / "own" / "config.yaml").read_text())
    assert config["metrics"]["name"] == "own"
    assert "steps" not in config
    assert json.loads((made[0] / "own" / "prompts.json").read_text())["prompts"][3] == "a thing 3"


def test_numbered_files_are_one_cell_without_steps(made, tmp_path, capsys):
    for i in range(1, 9):
        Image.effect_noise((32, 32), 60).convert("RGB").save(tmp_path / f"x_{i:04d}.png")
    code, out, _ = scored(
        capsys, (made[0], tmp_path), "--prompts=unconditional", "--seconds=0.5", name="plain"
    )
    assert code == 0, out
    assert "0 steps" not in out
    assert "plain, scheduler unknown" in out
    assert "unknown, unknown" not in out
    assert "at equal cost" not in out
    (row,) = pd.read_parquet(made[0] / "plain" / "results.parquet").to_dict("records")
    assert (row["scheduler"], row["samples"], row["latency_p50_s"]) == ("unknown", 8, 0.5)
    page = Page((made[0] / "plain" / "report.html").read_text()).text
    assert "0 steps" not in page
    assert "at equal cost" not in page


@pytest.mark.slow
def test_a_default_of_another_program_is_not_put_on_a_pipeline(made, capsys):
    scored(capsys, made, *like(made, "--same-noise"), name="default")
    path = made[0] / "default" / "defaults.yaml"
    defaults = yaml.safe_load(path.read_text())["defaults"]
    setting = {"scheduler": "ddim", "scheduler_class": "", "scheduler_flags": {}, "grid": "native"}
    setting |= {"outcome": "PASS", "call": {"num_inference_steps": 3}, "steps": 3}
    setting |= {"provenance": {"dtype": "unknown"}}
    path.write_text(yaml.safe_dump({"schema": 1, "defaults": [{**defaults[0], **setting}]}))
    with pytest.raises(UserError, match="another program"):
        apply(object(), path)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "the prompts are not known"),
        (("--like=nowhere",), "is not a run"),
        (("--prompts=unconditional", "steps=4"), "score takes settings of metrics"),
        (("--prompts=unconditional", "metrics=own,clip"), "one value of each setting"),
        (("--prompts=nowhere.txt",), "nowhere.txt"),
        (("--seconds=fast", "--prompts=unconditional"), "seconds that an image took"),
        (("--prompts=unconditional", "--samples=13"), "of 13 samples, sample 12 is missing"),
        (("--prompts=unconditional", "--seconds=0"), "--seconds=0: give what an image took"),
        (("--prompts=unconditional", "prompts.path=x"), "score takes settings of metrics"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_nothing_is_written(words, reason, made, capsys):
    code, _, err = scored(capsys, made, *words, name="refused")
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1
    assert not (made[0] / "refused").exists()


def test_the_run_of_a_sweep_is_not_replaced(made, capsys):
    before = (made[0] / "made" / "sweep.json").read_bytes()
    code, _, err = scored(capsys, made, *like(made), name="made")
    assert code == 2
    assert "is the run of a sweep" in err
    assert (made[0] / "made" / "sweep.json").read_bytes() == before


def test_images_of_two_sizes_are_refused(made, tmp_path, capsys):
    for i, size in enumerate([8, 8, 9]):
        Image.new("RGB", (size, 8)).save(tmp_path / f"{i}.png")
    code, _, err = scored(capsys, (made[0], tmp_path), "--prompts=unconditional", name="sizes")
    assert code == 2
    assert "2.png is 9x8" in err


def test_there_is_no_such_folder(made, tmp_path, capsys):
    code, _, err = scored(capsys, (made[0], tmp_path / "gone"), name="gone")
    assert code == 2
    assert "no such folder" in err
