"""What people type for KEY=VALUE, through the real command line: taken as it is meant, or answered
with what to write."""

from pathlib import Path

import pytest
import yaml

from tests.helpers.cli import call


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with models, prompts and pictures under names that need quotes, the current one."""
    for name in ("my-model", "my, model (v2)", "my model", "pictures", "ddim"):
        (tmp_path / name).mkdir()
    for name in ("prompts.txt", "my.safetensors", "model.safetensors"):
        (tmp_path / name).write_text("a red circle\n")
    monkeypatch.chdir(tmp_path)


def complaint(capsys, *arguments):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    (line,) = err.splitlines()
    return line.removeprefix("denoisebench: ")


def shown(capsys, *words):
    """The settings that a sweep would run with."""
    code, out, err = call(capsys, "sweep", *words, "--show-config")
    assert (code, err) == (0, "")
    return yaml.safe_load(out)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("my-model",), "cannot be read as KEY=VALUE; write model.path=my-model"),
        (("./my-model", "steps=2"), "write model.path=./my-model"),
        (("my.safetensors",), "write model.path=my.safetensors"),
        (("model.safetensors",), "write model.path=model.safetensors"),
        (("org/name",), "write model.path=org/name"),
        (("my model",), "write 'model.path=my model'"),
        (("sdxl",), "write model=sdxl"),
        (("ddim",), "write scheduler=ddim"),
        (("demo",), "write experiment=demo"),
        (("prompts.txt",), "write prompts.path=prompts.txt"),
        (("steps",), "give it a value: steps=VALUE"),
        (("model.path",), "give it a value: model.path=VALUE"),
        (("nowhere",), "give the setting that it is a value of, such as model.path=nowhere"),
        (("steps=4,", "8"), "steps=4, 8: a blank ends a word; write steps=4,8"),
        (("steps=4", ",8", "guidance=1"), "steps=4 ,8: a blank ends a word; write steps=4,8"),
        (("steps=4,", "8,", "16"), "write steps=4,8,16"),
        (("steps", "=", "4"), "steps = 4: a blank ends a word; write steps=4"),
        (("steps=", "4"), "write steps=4"),
        (("model.path=my", "model"), "model.path=my model: a blank ends a word; write 'model.path"),
        (("negative_prompt=blurry,", "grey"), "write 'negative_prompt=\"blurry, grey\"'"),
        (("negative_prompt=too", "dark"), "write 'negative_prompt=too dark'"),
    ],
    ids=" ".join,
)
def test_a_word_without_its_key_is_answered_with_what_to_write(words, answer, capsys):
    line = complaint(capsys, "sweep", *words)
    assert answer in line


@pytest.mark.parametrize(
    "words",
    [
        ("sweep", "runs/demo"),
        ("sweep", "runs/demo/", "steps=2"),
        ("sweep", "model=runs/demo"),
        ("sweep", "model.path=runs/demo"),
        ("sweep", "model.path=runs/demo", "--dry-run"),
        ("inspect", "runs/demo"),
        ("fetch", "runs/demo"),
    ],
    ids=" ".join,
)
def test_a_run_in_the_place_of_a_model_is_answered_with_what_to_do_with_a_run(words, capsys):
    folder = Path("runs/demo")
    folder.mkdir(parents=True)
    (folder / "sweep.json").write_text("{}")
    line = complaint(capsys, *words)
    assert "it is a run: `denoisebench report runs/demo` shows it, `denoisebench check" in line
    assert "and the same `denoisebench sweep` that began it goes on with it" in line


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("model=my-model", "give model.path=my-model"),
        ("model=./my-model", "give model.path=./my-model"),
        ("model=my model", "give 'model.path=my model'"),
        ("model=my.safetensors", "give model.path=my.safetensors"),
        ("model=org/name", "give model.path=org/name"),
        ("prompts=prompts.txt", "give prompts.path=prompts.txt"),
        ("prompts=org/data", "give prompts.path=org/data"),
        ("metrics=pictures", "give metrics=standard metrics.reference=pictures"),
        ("metrics=mine.scores:sharp", "give metrics.own=mine.scores:sharp"),
        ("scheduler=mine:Solver", "give scheduler.class=mine:Solver"),
        ("model=shapes-dpm", "unknown; did you mean shapes-ddpm"),
    ],
)
def test_a_choice_that_is_a_place_or_a_function_is_answered_with_its_setting(word, answer, capsys):
    assert answer in complaint(capsys, "sweep", word)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--stpes=2",), "did you mean steps=2?"),
        (("--stpes", "2"), "did you mean steps=2?"),
        (("--cfg-scale=7",), "did you mean guidance=7?"),
        (("--num-inference-steps", "30"), "did you mean steps=30?"),
        (("--dryrun=1",), "did you mean --dry-run or "),
        (("--steps=2",), "write steps=2"),
    ],
    ids=" ".join,
)
def test_a_flag_that_is_no_flag_is_answered_with_the_setting(words, answer, capsys):
    assert answer in complaint(capsys, "sweep", *words)


def test_other_commands_that_take_settings_answer_alike(capsys):
    assert "write model=sdxl" in complaint(capsys, "fetch", "sdxl")
    assert "write steps=4,8" in complaint(capsys, "fetch", "model=sdxl", "steps=4,", "8")
    assert "write scheduler=ddim" in complaint(capsys, "inspect", "gaussian", "ddim")
    assert "write 'model.path=my model'" in complaint(capsys, "inspect", "my", "model")


def test_words_too_many_are_answered_with_where_to_look(capsys):
    line = complaint(capsys, "doctor", "extra")
    assert line == "doctor extra: `denoisebench doctor --help` says what it takes"


@pytest.mark.parametrize("name", ["my, model (v2)", "my model", "my-model"])
def test_a_path_that_is_there_is_taken_whatever_signs_are_in_it(name, tmp_path, capsys):
    model = shown(capsys, f"model.path={name}", "steps=2,4")["model"]
    assert model["path"] == name
    assert shown(capsys, f"model.path={tmp_path / name}")["model"]["path"] == str(tmp_path / name)
    assert f": {name} has no model_index.json" in complaint(capsys, "inspect", name)


def test_two_paths_are_an_axis_still(capsys):
    assert shown(capsys, "model.path=my-model,pictures")["model"]["path"] == [
        "my-model",
        "pictures",
    ]


def test_a_text_that_cannot_be_read_is_answered_with_its_quotes(capsys):
    line = complaint(capsys, "sweep", "negative_prompt=a (dark) [room")
    assert line.endswith("takes two kinds of quotes: 'negative_prompt=\"a (dark) [room\"'")
    assert shown(capsys, 'negative_prompt="a (dark) [room"')["negative_prompt"] == "a (dark) [room"


@pytest.mark.parametrize(
    ("word", "group", "name", "values"),
    [
        ("metrics.own=mine.scores:sharp", "metrics", "own", ["mine.scores:sharp"]),
        ("metrics.own=a:f,b:g", "metrics", "own", ["a:f", "b:g"]),
        ("metrics.own=[a:f]", "metrics", "own", ["a:f"]),
        ("metrics.images=clipped,banding", "metrics", "images", ["clipped", "banding"]),
        ("guidance_interval=0.3,5", None, "guidance_interval", [0.3, 5]),
        ("grid.timesteps=999,500", "grid", "timesteps", [999, 500]),
    ],
)
def test_a_list_needs_no_brackets(word, group, name, values, capsys):
    config = shown(capsys, word)
    assert (config[group] if group else config)[name] == values
