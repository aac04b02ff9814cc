"""The rule of each claim on fabricated cells whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.reports.claims.claims import CLAIMS, NOT_TESTED, findings
from tests.helpers.fake_claims import CLIP, FD, PARTS, cells


def found(name, some):
    """What became of a claim in some cells."""
    return next(each for each in findings(some) if each.name == name)


def verdict(name, value, **options):
    return found(name, cells(value, **options)).judged.verdict


def loses(**losses):
    """Quality that falls by so many margins in cells named `scheduler_steps`."""

    def value(metric, row):
        lost = losses.get(f"{row['scheduler']}_{row['steps']}", 0.0)
        return {FD: 50 + 6.0 * lost, CLIP: 90 - 0.5 * lost}.get(metric)

    return value


EARLY = {"dpmpp_2m_4": 5, "ddim_4": 5, "euler_a_4": 5}


@pytest.mark.parametrize(
    ("losses", "noise", "expected"),
    [
        ({**EARLY, "euler_a_8": 4}, 0.2, SUPPORTED),  # others are flat at 8 steps, it is not
        (EARLY, 0.2, REFUTED),  # all become flat between 4 and 8 steps
        ({**EARLY, "euler_a_8": 4}, 20.0, UNDECIDED),
        ({**EARLY, "euler_a_8": 1.0}, 0.2, UNDECIDED),  # one is at the margin itself
    ],
)
def test_the_threshold_of_diminishing_returns_depends_on_the_scheduler(losses, noise, expected):
    assert verdict("returns", loses(**losses), noise=noise) == expected


def test_where_schedulers_part_is_named_with_losses_in_margins():
    judged = found("returns", cells(loses(**EARLY, euler_a_8=4), noise=0.2)).judged
    flat, rising = judged.parts
    assert flat.held.high < 1 < rising.held.low
    assert rising.held.value == pytest.approx(4, abs=0.3)
    assert "euler_a in 8 steps" in rising.words
    assert ("euler_a", "flat from 16 steps; 8 steps lose more than a margin") in judged.beside


def test_a_dip_above_a_failure_is_no_threshold():
    """Flat at 8 but not at 16: the sequence from many down stops before 8."""
    losses = {**EARLY, "dpmpp_2m_16": 3, "euler_a_8": 4}
    judged = found("returns", cells(loses(**losses, ddim_8=4), noise=0.2)).judged
    assert ("dpmpp_2m", "not proven flat at 16 steps; 4 steps lose more than a margin") in (
        judged.beside
    )


def distilled(fd, clip):
    def value(metric, row):
        own = row["model"] == "fast"
        return {FD: 50 + fd * own, CLIP: 90 + clip * own}.get(metric)

    return value


@pytest.mark.parametrize(
    ("fd", "clip", "noise", "expected"),
    [
        (2.0, -0.1, 0.2, SUPPORTED),
        (-9.0, 0.3, 0.2, SUPPORTED),  # better than what it imitates
        (2.0, -1.0, 0.2, REFUTED),  # by one metric of two
        (2.0, -0.1, 20.0, UNDECIDED),
    ],
)
def test_a_distilled_model_matches_within_both_margins(fd, clip, noise, expected):
    assert verdict("distilled", distilled(fd, clip), noise=noise) == expected


def falling(flow, diffusion, flow_clip=None):
    """What few steps lose, by family."""

    def value(metric, row):
        few = row["steps"] == 4
        lost = few * (flow if row["model"] == "flow" else diffusion)
        by_clip = few * flow_clip if flow_clip and row["model"] == "flow" else lost
        return {FD: 50 + 10 * lost, CLIP: 90 - by_clip}.get(metric)

    return value


@pytest.mark.parametrize(
    ("flow", "diffusion", "flow_clip", "noise", "expected"),
    [
        (1.0, 3.0, None, 0.2, SUPPORTED),
        (3.0, 1.0, None, 0.2, REFUTED),
        (1.0, 3.0, 9.0, 0.2, REFUTED),  # metrics disagree
        (1.0, 1.05, None, 5.0, UNDECIDED),
    ],
)
def test_sensitivity_to_steps_is_a_difference_of_losses(
    flow, diffusion, flow_clip, noise, expected
):
    value = falling(flow, diffusion, flow_clip)
    assert verdict("sensitivity", value, noise=noise) == expected


def test_matched_noise_levels_are_told_beside_where_they_were_run():
    value = falling(1.0, 3.0)
    words = "CLIP score (shapes): the same difference on matched noise levels"
    beside = dict(found("sensitivity", cells(value, noise=0.1)).judged.beside)
    assert beside[words][1:].startswith(("1.9", "2.0"))
    without = cells(value, noise=0.1, without=[lambda row: row["grid"] == "matched"])
    judged = found("sensitivity", without).judged
    assert judged.verdict == SUPPORTED
    assert words not in dict(judged.beside)


def spectrum(flow, diffusion, few=0.0):
    """Power by octave of either family; few: what few steps add to the finest."""

    def value(metric, row):
        if metric == "sharpness":
            return 0.0
        if not metric.startswith("power_octave_"):
            return None
        levels = flow if row["model"] == "flow" else diffusion
        k = int(metric[-1]) - 1
        return levels[k] + few * (k == 0 and row["steps"] == 4)

    return value


EVEN, TILTED = (2.0, 2.0, 2.0, 2.0), (-2.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("flow", "diffusion", "noise", "expected"),
    [
        (EVEN, TILTED, 0.2, SUPPORTED),  # 2 dB off in all octaves is even
        (TILTED, EVEN, 0.2, REFUTED),
        (TILTED, TILTED, 1.0, UNDECIDED),
    ],
)
def test_evenness_over_octaves(flow, diffusion, noise, expected):
    assert verdict("bands", spectrum(flow, diffusion), noise=noise) == expected


@pytest.mark.parametrize(
    ("few", "noise", "expected"),
    [(2.0, 0.2, SUPPORTED), (0.1, 0.2, REFUTED), (-2.0, 0.2, REFUTED), (0.5, 1.0, UNDECIDED)],
)
def test_grit_is_power_in_the_finest_octave(few, noise, expected):
    assert verdict("grit", spectrum(EVEN, EVEN, few), noise=noise) == expected


def test_one_scheduler_that_is_smooth_in_few_steps_refutes_grit():
    gritty = spectrum(EVEN, EVEN, few=2.0)

    def value(metric, row):
        smooth = row["scheduler"] == "euler_a" and row["steps"] == 4
        return spectrum(EVEN, EVEN, few=-2.0)(metric, row) if smooth else gritty(metric, row)

    assert verdict("grit", value, noise=0.2) == REFUTED


def attributes(shape, colour, gain):
    """Accuracies of the distilled model less those of the diffusion model, and its gain."""

    def value(metric, row):
        fast, longer = row["model"] == "fast", row["steps"] == 8
        return {
            "accuracy_shape": 0.9 + fast * shape,
            "accuracy_colour": 0.9 + fast * colour,
            "accuracy_texture": 0.8 + fast * longer * gain,
            "power_octave_1": 0.0,
        }.get(metric)

    return value


@pytest.mark.parametrize(
    ("shape", "colour", "gain", "noise", "expected"),
    [
        (0.0, 0.0, 0.05, 0.02, SUPPORTED),
        (0.0, 0.0, 0.0, 0.02, REFUTED),  # textures gain nothing
        (-0.1, 0.0, 0.05, 0.02, REFUTED),  # edges are not clean
        (0.0, 0.0, 0.05, 1.0, UNDECIDED),
    ],
)
def test_textures_come_last(shape, colour, gain, noise, expected):
    assert verdict("textures", attributes(shape, colour, gain), noise=noise) == expected


@pytest.mark.parametrize(
    ("sharpness", "octave", "expected"),
    [
        (0.0, -1.0, SUPPORTED),  # 1 dB nearer to 0 than in few steps
        (0.0, 2.0, REFUTED),  # as far on the other side
        (-3.0, -1.0, REFUTED),  # edges are soft
    ],
)
def test_textures_of_photographs_are_read_off_the_spectrum(sharpness, octave, expected):
    def value(metric, row):
        fast, longer = row["model"] == "fast", row["steps"] == 8
        return {
            "sharpness": 1.0 + fast * (sharpness - 2.0 * (sharpness < 0)),
            "saturation_distance": 4.0,
            "power_octave_1": (octave if longer else -2.0) if fast else 0.0,
        }.get(metric)

    assert verdict("textures", value, noise=0.05) == expected


def guided(low, high, chroma):
    def value(metric, row):
        score = {1.0: 90 + low, 4.0: 90.0, 10.0: 90 + high}[row["guidance"]]
        return {CLIP: score, "saturation": chroma * (row["guidance"] == 10.0)}.get(metric)

    return value


@pytest.mark.parametrize(
    ("low", "high", "chroma", "noise", "expected"),
    [
        (-5.0, 0.0, 6.0, 0.2, SUPPORTED),
        (-5.0, 0.0, 0.0, 0.2, REFUTED),  # colours stay
        (-5.0, -9.0, 6.0, 0.2, REFUTED),  # high guidance loses the prompt
        (-0.1, 0.0, 6.0, 0.2, REFUTED),  # low guidance does not drift
        (-5.0, 0.0, 2.0, 2.0, UNDECIDED),
    ],
)
def test_guidance_follows_and_over_saturates(low, high, chroma, noise, expected):
    assert verdict("guidance", guided(low, high, chroma), noise=noise) == expected


def likeness(near, far, chance=0.5):
    def value(metric, row):
        if row["task"] != "img2img":
            return None
        own = near if row["strength"] == 0.3 else far
        return {"cosine_shapes_input": own, "chance_shapes_input": chance}.get(metric)

    return value


@pytest.mark.parametrize(
    ("near", "far", "noise", "expected"),
    [
        (0.95, 0.55, 0.02, SUPPORTED),  # 90 % and 10 % of the way from chance
        (0.8, 0.55, 0.02, REFUTED),
        (0.95, 0.7, 0.02, REFUTED),
        (0.9, 0.55, 0.2, UNDECIDED),
    ],
)
def test_strength_is_a_share_of_the_way_from_chance(near, far, noise, expected):
    assert verdict("strength", likeness(near, far), noise=noise) == expected


def with_looks(**shifts):
    """Cells whose images look as they do, but for a scheduler whose finest octave is shifted."""
    found = cells(lambda metric, row: 0.0 if metric.startswith("power") else None, samples=1024)
    measured = {}
    for k, metric in enumerate(found.estimates):
        measured[metric] = {}
        for i, row in found.frame.iterrows():
            noise = np.random.default_rng((k, i, 5)).standard_normal(1024)
            shift = shifts.get(row["scheduler"], 0.0) * (metric == "power_octave_1")
            measured[metric][i] = mean_estimate(noise + shift)
    return replace(found, estimates=measured)


def test_schedulers_have_character_if_each_pair_is_told_apart_beyond_the_control():
    assert found("character", with_looks(ddim=-2, euler_a=2)).judged.verdict == SUPPORTED
    assert found("character", with_looks(euler_a=3)).judged.verdict != SUPPORTED  # one pair is not
    alike = found("character", with_looks()).judged
    assert alike.verdict != SUPPORTED
    control = [text for words, text in alike.beside if words.startswith("Control")]
    assert len(control) == 3


def test_what_is_not_there_is_not_tested_and_says_why():
    some = cells(loses(), without=[lambda row: row["model"] == "flow"])
    flow = found("sensitivity", some)
    assert flow.judged.verdict == NOT_TESTED
    assert "no cell of this run has model=flow, scheduler=flow_euler, steps=4" in flow.note
    assert found("textures", some).note == (
        "neither accuracy_shape nor sharpness was measured in this run."
    )
    assert (
        "sharpness was not measured"
        in found(
            "grit", cells(lambda metric, row: 0.0 if metric == "power_octave_1" else None)
        ).note
    )
    assert "no power by octave" in found("bands", cells(loses())).note
    assert (
        "second noise seed"
        in found("character", cells(loses(), without=[lambda row: row["seed"] == 1])).note
    )


def test_too_few_samples_or_no_margins_decide_nothing():
    few = found("distilled", cells(loses(), samples=128))
    assert few.note == "fd_shapes decides nothing below 256 samples: raise samples."
    assert "no metric of this run has a margin" in found("returns", cells(loses(), gates={})).note


def test_a_cell_that_failed_is_named():
    some = cells(loses())
    frame = some.frame.copy()
    failed = (frame["model"] == "fast") & (frame["steps"] == 8)
    frame.loc[failed, ["status", "message"]] = ["failed", "OutOfMemoryError: no"]
    note = found("distilled", replace(some, frame=frame)).note
    assert note == "fast, lcm, 8 steps is failed: OutOfMemoryError: no."


def test_samples_that_cannot_be_paired_are_not_compared():
    some = cells(loses())
    fast = next(i for i, row in some.frame.iterrows() if row["model"] == "fast")
    for metric in (FD, CLIP):
        for i in (fast, fast + 1):
            values = np.zeros(512)
            some.estimates[metric][i] = mean_estimate(values, np.repeat(np.arange(256), 2))
    assert "cannot pair" in found("distilled", some).note


def test_every_claim_is_tested_where_all_is_measured_and_speaks_of_the_runs_own_models():
    def value(metric, row):
        return None if metric.endswith("_input") and row["task"] == "txt2img" else 0.5

    every = findings(cells(value))
    assert [each.name for each in every] == [claim.name for claim in CLAIMS]
    assert NOT_TESTED not in {each.judged.verdict for each in every}
    for each in every:
        assert "{" not in each.statement + each.rule + each.reason
        assert each.judged.shown
        assert (each.note != "") == (each.judged.verdict == UNDECIDED)
    assert every[1].statement == "fast in 8 steps matches ddim in 50."
    other = cells(value, parts={**PARTS, "few": 5})
    assert "steps=5" in found("textures", other).note
