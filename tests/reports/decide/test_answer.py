"""What to run in a sentence, as terminal and page say it."""

from dataclasses import replace

import pytest

from denoisebench.bench.apply.apply import apply
from denoisebench.bench.errors import UserError
from denoisebench.reports.decide.answer import answer, answers, default_line, snippet
from denoisebench.reports.decide.decisions import decide
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.formats import NEVER
from denoisebench.reports.rows.cautions import cautions, timings_are_even
from denoisebench.reports.rows.frame import load_estimates, load_frame, records
from tests.helpers.fake_run import CLIP, FD, fabricate

X = "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (
            {"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}, "held": {"seed": 1}},
            "one, seed 1 by Fréchet distance (shapes): ddim, 8 steps, guidance 4 (PASS)",
        ),
        (
            {
                **{"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}},
                "vendor_default": {"steps": 50},
                "saving": {"evaluations": 6.25},
            },
            "guidance 4 (PASS, 6.25 times fewer evaluations than its own 50 steps)",
        ),
        (
            {
                **{"scheduler": "ddim", "steps": 8, "guidance": 4.0, "call": {}},
                "vendor_default": {"steps": 50, "latency_is": "estimated from time per evaluation"},
                "saving": {"evaluations": 6.249},
            },
            "(PASS, 6.25 times fewer evaluations than its own 50 steps, not measured here)",
        ),
        (
            {
                "outcome": "UNDECIDED",
                "guidance": 4.0,
                "undecided": {"ddim, 8 steps": 1200, "ddim, 16 steps": 90},
            },
            "UNDECIDED, no cell is proven to be within all margins; ddim, 16 steps, guidance 4 may "
            "be, with about 90 more samples",
        ),
        (
            {"outcome": "UNDECIDED", "undecided": {"ddim, 8 steps": NEVER}},
            "UNDECIDED, no cell is proven to be within all margins; that is not decidable in "
            "practice",
        ),
    ],
)
def test_a_default_is_one_line(default, words):
    line = default_line({"model": "one", "default_for": "fd_shapes", "outcome": "PASS", **default})
    assert words in line


def default_of(metric, **fields):
    return {
        **{"model": "m", "task": "txt2img", "default_for": metric},
        **{"guidance": 4.0, "outcome": "PASS", **fields},
    }


def lost(low, high, margin):
    return {"loss_interval": [low, high], "margin": margin}


DDIM = {
    **{"scheduler": "ddim", "steps": 16, "call": {"num_inference_steps": 16}},
    "evidence": {"fd_shapes": lost(9.9, 10.24, 12.0), "clip_score_shapes": lost(-0.2, 0.3, 0.5)},
}
LOSS = "loses at most 10.24 of the 12 FD (shapes) and 0.30 of the 0.5 CLIP (shapes) allowed"
BEST = "what it was compared with is proven to be no better"
OPEN = {"undecided": {"ddim, 8 steps": 840, "heun, 4 steps": NEVER}}


def vendor(evaluations, latency=None, **fields):
    return {
        "vendor_default": {"steps": 50, "latency_is": "measured", **fields},
        "saving": {"evaluations": evaluations, "latency": latency},
    }


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (DDIM, f"use ddim, 16 steps, guidance 4: {LOSS}."),
        (
            DDIM | vendor(3.125, 2.96) | OPEN,
            f"use ddim, 16 steps, guidance 4: 3.0{X} faster than the pipeline's own 50 steps; "
            f"{LOSS}. ddim, 8 steps would be cheaper: undecided, about 840 more samples.",
        ),
        (
            DDIM | vendor(3.125, 2.96, latency_is="estimated from time per evaluation"),
            f"use ddim, 16 steps, guidance 4: 3.12{X} fewer evaluations than the pipeline's own 50 "
            f"steps (not run here); {LOSS}.",
        ),
        (
            DDIM | vendor(0.5),
            f"use ddim, 16 steps, guidance 4: 2.00{X} the evaluations of the pipeline's own 50 "
            f"steps; {LOSS}.",
        ),
        (
            DDIM | vendor(1.0, 1.02),
            "use ddim, 16 steps, guidance 4: as many evaluations as the pipeline's own 50 steps; "
            f"{LOSS}.",
        ),
        (
            DDIM | {"outcome": "NO-PLATEAU"},
            "use ddim, 16 steps, guidance 4: its curve still gains there, so sweep more steps; "
            f"{LOSS}.",
        ),
        (
            {"outcome": "UNDECIDED", **OPEN},
            "nothing is proven yet: about 840 more samples of ddim, 8 steps, guidance 4 would "
            "probably decide.",
        ),
        (
            {
                **{"outcome": "UNDECIDED", "guidance": 4.0},
                "undecided": {"ddim, 8 steps": "24 different prompts"},
            },
            "nothing is proven yet: about 24 more different prompts for ddim, 8 steps, guidance 4 "
            "would probably decide.",
        ),
        (
            {"outcome": "UNDECIDED", "undecided": {"ddim, 8 steps": NEVER}},
            "nothing is proven yet: it is not decidable in practice.",
        ),
        (
            {"outcome": "UNDECIDED"},
            "no cell is proven to be within the margins of every other one.",
        ),
    ],
)
def test_the_answer_says_what_is_proven_and_no_more(default, words):
    assert (
        answer([default_of("fd_shapes", **default)], is_even=True, no_default="") == f"m: {words}"
    )


def test_uneven_timings_say_nothing_of_speed():
    (said,) = answers([default_of("fd_shapes", **DDIM | vendor(3.125, 2.96))], is_even=False)
    assert f"3.12{X} fewer evaluations than" in said.rest
    assert "faster" not in said.rest


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (lost(-1.0, 0.0001, 12.0), "loses at most 0.01 of the 12 FD (shapes) allowed"),
        (lost(100, 1234.2, 2000.0), "loses at most 1,240 of the 2,000 FD (shapes) allowed"),
        (lost(11.665, 12.335, 12.34), "loses at most 12.335 of the 12.34 FD (shapes) allowed"),
        (lost(0.0, 10.0, 1e6), "loses at most 10.0 of the 1,000,000 FD (shapes) allowed"),
        (lost(-3.0, -1.0, 12.0), f"the best measured by FD (shapes): {BEST}"),
        (lost(0.0, 0.0, 0.0), f"the best measured by FD (shapes): {BEST}"),
    ],
)
def test_a_bound_is_rounded_up_and_no_loss_is_said_as_none(held, words):
    (said,) = answers(
        [default_of("fd_shapes", **DDIM | {"evidence": {"fd_shapes": held}})], is_even=True
    )
    assert said.rest == f"{words}."


def test_what_is_best_by_some_metrics_alone_is_said_after_what_it_may_lose():
    evidence = {"fid": lost(-3.0, -1.0, 12.0), "clip_score_a": lost(0.0, 0.3, 0.5)}
    (said,) = answers([default_of("fid", **DDIM | {"evidence": evidence})], is_even=True)
    assert said.rest == (
        f"loses at most 0.30 of the 0.5 CLIP (a) allowed; the best measured by FID: {BEST}."
    )


def test_of_many_metrics_the_one_nearest_to_its_margin_is_named():
    held = {name: lost(0.0, share, 1.0) for name, share in (("fid", 0.2), ("kid", 0.9))}
    evidence = held | {"clip_score_a": lost(0.0, 0.1, 1.0), "clip_score_b": lost(0.0, 0.3, 1.0)}
    (said,) = answers([default_of("fid", **DDIM | {"evidence": evidence})], is_even=True)
    assert said.rest == (
        "loses at most 0.90 of the 1 KID allowed, and a smaller share of 3 other margins."
    )


def test_metrics_that_chose_the_same_share_a_sentence_and_others_are_named():
    same = [default_of(metric, **DDIM) for metric in ("fd_shapes", "clip_score_shapes")]
    (said,) = answers(same, is_even=True)
    assert (said.about, said.places) == ("m", [0, 1])
    other = default_of("clip_score_shapes", outcome="UNDECIDED")
    assert answer([same[0], other], is_even=True, no_default="") == (
        f"m, by FD (shapes): use ddim, 16 steps, guidance 4: {LOSS}. m, by CLIP (shapes): no cell "
        "is proven to be within the margins of every other one."
    )


def test_no_default_and_many_are_a_line_each():
    assert answer([], is_even=True, no_default="every cell failed") == "none; every cell failed"
    many = [default_of("fd_shapes", **DDIM) | {"model": name} for name in "abc"]
    undecided = default_of("fd_shapes", outcome="UNDECIDED")
    assert answer([*many, undecided], is_even=True, no_default="") == (
        "3 of 4 defaults are proven, see defaults.yaml beside the page"
    )


def test_the_lines_to_copy_name_what_tells_a_default_from_the_others():
    def lines(place, *defaults):
        return snippet(defaults[place], defaults).splitlines()[2:]

    one, other = (default_of(metric, **DDIM) for metric in ("fd_shapes", "clip_score_shapes"))
    assert lines(0, one) == [
        'call = denoisebench.apply(pipe, "defaults.yaml")',
        "image = pipe(prompt, **call).images[0]",
    ]
    assert lines(0, one, other)[0] == 'call = denoisebench.apply(pipe, "defaults.yaml")'
    assert lines(1, one, other)[0].endswith("\"defaults.yaml\", default_for='clip_score_shapes')")
    held = [one | {"held": {"seed": seed}} for seed in (0, 1)]
    assert lines(1, *held)[0].endswith('"defaults.yaml", seed=1)')
    image = {"task": "img2img", "strength": 0.5}
    assert lines(1, one, one | image) == [
        "call = denoisebench.apply(pipe, \"defaults.yaml\", task='img2img', strength=0.5)",
        "image = pipe(prompt, image=image, **call).images[0]",
    ]
    classes, nothing = (one | {"shows_by": argument} for argument in ("class_labels", ""))
    assert lines(0, classes)[1] == "image = pipe(class_labels=class_labels, **call).images[0]"
    assert lines(0, nothing)[1] == "image = pipe(**call).images[0]"
    assert snippet(default_of("fd_shapes", outcome="UNDECIDED"), [one]) == ""
    assert snippet(one | {"guidance_rescale": 0.2}, [one]) == ""


@pytest.mark.slow
def test_the_lines_of_a_run_choose_one_default_of_its_file(tmp_path):
    """The arguments are taken by denoisebench.apply, which gets as far as the pipeline."""
    from denoisebench.reports.report import write_report

    run = fabricate(tmp_path / "run", models=("one", "two"), seeds=(0, 1), samples=256)
    write_report(run.folder)
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    defaults = default_records(run, records(frame), decide(frame, estimates, run.margins))
    assert timings_are_even(frame)
    keys = {(d["model"], d["held"]["seed"], d["default_for"]) for d in defaults}
    assert len(keys) == len(defaults) == 8  # models, seeds, metrics: two each
    for default in defaults:
        (line,) = [x for x in snippet(default, defaults).splitlines() if x.startswith("call")]
        names = {"denoisebench": Module(run.folder), "pipe": object()}
        with pytest.raises(UserError) as error:
            exec(line, names)
        chosen = f"{default['model']}, txt2img, seed {default['held']['seed']}"
        assert str(error.value).endswith(
            f"defaults.yaml: {chosen}, for {default['default_for']}: object has no scheduler to set"
        )


class Module:
    """denoisebench, called in the run's folder."""

    def __init__(self, folder):
        self._folder = folder

    def apply(self, pipeline, name, **held):
        return apply(pipeline, self._folder / name, **held)


def test_a_loss_by_a_margin_that_is_a_share_names_its_rival(tmp_path):
    run = fabricate(tmp_path / "run", guidances=(4.0,), samples=256)
    run = replace(run, margins={FD: {"relative": 0.5}, CLIP: {"absolute": 0.5}})
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in (FD, CLIP)}
    (first, *_) = default_records(run, records(frame), decide(frame, estimates, run.margins))
    rival = first["evidence"][FD]["against"]
    assert f" FD (shapes) (against {rival})" in answers([first], is_even=False)[0].rest
    assert " CLIP (tiny) allowed" in answers([first], is_even=False)[0].rest
    assert "margin_is" not in first["evidence"][CLIP]


def test_the_best_by_a_margin_that_is_a_share_is_so_against_one_rival_alone():
    share = {**lost(-2.0, -0.5, 1.0), "margin_is": "a share", "against": "heun, 4 steps"}
    default = {**DDIM, "evidence": {"fd_shapes": share}}
    (words,) = answers([default_of("fd_shapes", **default)], is_even=False)
    assert BEST not in words.rest
    assert "of the 1 FD (shapes) (against heun, 4 steps) allowed" in words.rest


def test_a_default_of_a_grid_that_was_run_in_part_says_so(tmp_path):
    run = fabricate(tmp_path / "run", guidances=(4.0,), samples=256)
    frame = load_frame(run)
    waiting = frame.index[frame["scheduler"] == "heun"]
    frame.loc[waiting, "status"] = "missing"
    estimates = {
        metric: {i: e for i, e in load_estimates(run, metric).items() if i not in waiting}
        for metric in (FD, CLIP)
    }
    (first, *_) = default_records(run, records(frame), decide(frame, estimates, run.margins))
    assert first["not_run"] == "4 of 12 cells"
    (said,) = answers([first], is_even=False)
    assert said.head.startswith("so far ")
    assert said.rest.startswith("4 of 12 cells were not run, which may change it; ")
    texts = cautions(frame)
    assert any(text.startswith("4 cells of 12 were not run: a default") for text in texts)


def test_a_margin_that_stands_for_a_family_of_metrics_is_a_share_of_each(tmp_path):
    run = fabricate(tmp_path / "run", guidances=(4.0,), samples=256)
    run = replace(run, margins={"fd": {"relative": 0.5}})
    frame = load_frame(run)
    decisions = decide(frame, {FD: load_estimates(run, FD)}, run.margins)
    (record,) = default_records(run, records(frame), decisions)
    assert "margin_is" in record["evidence"][FD]
