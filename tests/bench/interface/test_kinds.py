"""Arguments of the wrong kind: each public function says in one line what to give."""

import re

import pytest
from diffusers import DDIMScheduler

import denoisebench as db
from tests.helpers.fake_run import CLIP, fabricate

CELL = {"scheduler": "ddim", "steps": 2}
PATH = "give a path; it is"
SIDE = "give a run or a pack, by its path or as Results; it is"
NAMES = "give names as a text, a list or a mapping; it is"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "run"
    return db.load(fabricate(folder, schedulers=("ddim",), guidances=(4.0,), samples=8).folder)


CALLS = {
    "load(3)": (lambda run: db.load(3), f"folder: {PATH} of type int"),
    "load(None)": (lambda run: db.load(None), f"folder: {PATH} None"),
    "load(run)": (lambda run: db.load(run), f"folder: {PATH} of type Results"),
    "load_run(3)": (lambda run: db.load_run(3), f"folder: {PATH} of type int"),
    "read_defaults(3)": (lambda run: db.read_defaults(3), f"path: {PATH} of type int"),
    "apply(pipe, 3)": (lambda run: db.apply(object(), 3), f"path: {PATH} of type int"),
    "pack(3, file)": (lambda run: db.pack(3, "a.dbpack"), f"run: {SIDE} of type int"),
    "pack(run, None)": (lambda run: db.pack(run, None), f"file: {PATH} None"),
    "check(3, run)": (lambda run: db.check(3, run), f"baseline: {SIDE} of type int"),
    "check(run, [])": (lambda run: db.check(run, []), f"candidate: {SIDE} of type list"),
    "check(margins=3)": (
        lambda run: db.check(run, run, margins=3),
        "margins: give a name or a file; it is of",
    ),
    "check(only=3)": (lambda run: db.check(run, run, only=3), f"only: {NAMES} of type int"),
    "check(only=[3])": (lambda run: db.check(run, run, only=[3]), f"only: {NAMES} of type list"),
    "check(only=[])": (lambda run: db.check(run, run, only=[]), "--only=: '' is none; known: im"),
    "check(only=text)": (
        lambda run: db.check(run, run, only="qualty"),
        "--only=qualty: 'qualty' is none; did you mean quality",
    ),
    "check(by=[…])": (
        lambda run: db.check(run, run, by=["step"]),
        "--by=step: 'step' is no setting; did you mean steps",
    ),
    "check(map={…})": (
        lambda run: db.check(run, run, map={"heun": "ddim"}),
        "--map heun=ddim: give BASELINE=CANDIDATE",
    ),
    "check(map=3)": (lambda run: db.check(run, run, map=3), f"map: {NAMES} of type int"),
    "write(3)": (lambda run: db.check(run, run).write(3), f"folder: {PATH} of type int"),
    "compare(3, …)": (
        lambda run: run.compare(3, CELL),
        'cell: give settings of a cell, such as {"scheduler": "ddim"}; it is of type int',
    ),
    "compare(…, [])": (lambda run: run.compare(CELL, []), "it is of type list"),
    "compare(value of another kind)": (
        lambda run: run.compare({"steps": [2]}, CELL),
        "steps=[2]: no cell of",
    ),
    "compare(options)": (
        lambda run: run.compare({"options": {"eta": 1}}, CELL),
        "options=eta=1: no cell of",
    ),
    "compare(number for options)": (
        lambda run: run.compare({"options": 3}, CELL),
        "options=3: no cell of",
    ),
    "compare(name of another kind)": (
        lambda run: run.compare({3: 2}, CELL),
        "3: cells are chosen by",
    ),
    "compare(other=3)": (
        lambda run: run.compare(CELL, CELL, other=3),
        "other: give a run as Results, from load or sweep; it is of type int",
    ),
    "plot(3)": (
        lambda run: run.plot(3),
        "metric: give the name of a metric, a column of the frame; it is of type int",
    ),
    "plot([])": (lambda run: run.plot([CLIP]), "metric: give the name of a metric"),
    "plot(…, 3)": (
        lambda run: run.plot(CLIP, 3),
        "figure: give the name of a figure, such as vs_steps; it is of type int",
    ),
    "images(3, …)": (lambda run: run.images(3, [0]), "cell: give settings of a cell"),
    "images(…, ['0'])": (
        lambda run: run.images(CELL, ["0"]),
        "samples=['0']: give numbers of samples, such as [0, 2]",
    ),
    "images(…, '0')": (lambda run: run.images(CELL, "0"), "samples='0': give numbers of samples"),
    "images(…, 0)": (lambda run: run.images(CELL, 0), "samples=0: give numbers of samples"),
    "images(…, [0.5])": (lambda run: run.images(CELL, [0.5]), "samples=[0.5]: give numbers of"),
    "images(…, None)": (lambda run: run.images(CELL, None), "samples=None: give numbers of"),
    "sweep(progress=3)": (
        lambda run: db.sweep(progress=3),
        "progress: give a function that is called with each cell; it is of type int",
    ),
    "sweep(config_dir=3)": (lambda run: db.sweep(config_dir=3), f"config_dir: {PATH} of type int"),
    "sweep(steps={…})": (lambda run: db.sweep(steps={2, 4}), "steps: a set is no setting; give"),
    "sweep(model=b'…')": (lambda run: db.sweep(model=b"x"), "model: a bytes is no setting; give"),
    "sweep(steps=object())": (lambda run: db.sweep(steps=[object()]), "steps: a object is no se"),
    "verify('…')": (
        lambda run: db.verify("DDIMScheduler"),
        "'DDIMScheduler': give a scheduler class, not an object of one",
    ),
    "verify(int)": (lambda run: db.verify(int), "is no scheduler class of diffusers' kind"),
    "verify(flags=3)": (lambda run: db.verify(DDIMScheduler, flags=3), "flags=3: "),
    "verify(flags={3: 4})": (lambda run: db.verify(DDIMScheduler, flags={3: 4}), "flags"),
    "verify(order='x')": (lambda run: db.verify(DDIMScheduler, order="x"), "order=x: "),
    "verify(evaluations=3)": (
        lambda run: db.verify(DDIMScheduler, evaluations=3),
        "evaluations=3: ",
    ),
    "verify(stochastic=[])": (lambda run: db.verify(DDIMScheduler, stochastic=[]), "stochastic="),
    "verify(family=3)": (lambda run: db.verify(DDIMScheduler, family=3), "family=3: "),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_of_another_kind_is_said_in_a_line(name, run):
    ask, words = CALLS[name]
    with pytest.raises(db.UserError, match=re.escape(words)) as raised:
        ask(run)
    assert "\n" not in str(raised.value)


def numbers(images, prompts):
    return [0.0] * len(images)


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: db.metric(better=3), "@metric(better=3): give 'higher' or 'lower'"),
        (lambda: db.metric(better="lower", label=3), "@metric(label=3): give a text"),
        (lambda: db.metric(better="lower", name=["a"]), "@metric(name=['a']): give a text"),
        (lambda: db.metric(better="lower", files="a.pt"), "files='a.pt'): give a list of paths"),
        (lambda: db.metric(better="lower", files=3), "@metric(files=3): give a list of paths"),
        (lambda: db.metric(numbers, better="lower"), "put @metric(better=…) above the function"),
        (lambda: db.metric(better="lower")(3), "@metric(…): 3 is no function; put it above one"),
    ],
)
def test_a_metric_that_is_declared_wrongly_is_an_error_of_its_module(declare, words):
    """A ValueError, since the decorator runs where there is nothing of denoisebench's; a sweep
    says it as what the module raised."""
    with pytest.raises(ValueError, match=re.escape(words)):
        declare()


def test_a_metric_that_does_not_say_what_is_better_is_an_error_of_its_module():
    with pytest.raises(TypeError, match="required keyword-only argument: 'better'"):
        db.metric(numbers)


def test_numbers_of_samples_are_any_whole_numbers(run):
    import numpy as np

    (first, third), again = run.images(CELL, range(0, 4, 2)), run.images(CELL, np.array([0, 2]))
    assert [first.tobytes(), third.tobytes()] == [image.tobytes() for image in again]
