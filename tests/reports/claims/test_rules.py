"""The rule of each claim on fabricated cells whose answer is known."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED
from denoisebench.metrics.decide.sequential import LEVEL
from denoisebench.metrics.estimate import mean_estimate
from denoisebench.reports.claims.claims import CLAIMS, NOT_TESTABLE, NOT_TESTED, findings
from denoisebench.reports.claims.noise import is_about, noise_of
from denoisebench.reports.claims.schedulers import schedulers_have_character
from tests.helpers.fake_claims import CLIP, COSINES, FD, OTHER_FD, PARTS, cells


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


def distilled(fd, clip, other=0.0, accuracy=0.0):
    def value(metric, row):
        own = row["model"] == "fast"
        few = row["scheduler"] == "ddim" and row["steps"] == 4
        return {
            FD: 50 + fd * own,
            OTHER_FD: 5 + other * own + 4 * few,
            CLIP: 90 + clip * own,
            "accuracy": 0.9 + accuracy * own,
        }.get(metric)

    return value


@pytest.mark.parametrize(
    ("fd", "clip", "expected"),
    [
        (2.0, -0.1, SUPPORTED),
        (-9.0, 0.3, SUPPORTED),  # better than what it imitates
        (2.0, -1.0, UNDECIDED),  # by one reader of two
        (9.0, -0.1, UNDECIDED),  # by one evaluator of two
    ],
)
def test_a_distilled_model_matches_within_both_margins(fd, clip, expected):
    assert verdict("distilled", distilled(fd, clip), noise=0.01) == expected


@pytest.mark.parametrize(
    ("other", "accuracy", "expected"),
    [
        (0.9, -0.01, SUPPORTED),  # a quarter of the 4 that few steps lose, two in a hundred
        (1.1, -0.01, UNDECIDED),
        (0.9, -0.03, UNDECIDED),
    ],
)
def test_the_second_evaluator_and_reader_have_to_agree(other, accuracy, expected):
    value = distilled(2.0, -0.1, other, accuracy)
    judged = found("distilled", cells(value, noise=0.001)).judged
    assert judged.verdict == expected
    assert any("disagree" in note for note in judged.notes) == (expected == UNDECIDED)


def test_a_distilled_model_that_both_evaluators_refute_is_refuted():
    assert verdict("distilled", distilled(9.0, -0.1, 2.0), noise=0.01) == REFUTED
    assert verdict("distilled", distilled(2.0, -0.1), noise=20.0) == UNDECIDED


def falling(flow, diffusion, flow_clip=None, matched=None):
    """What few steps lose, by family; matched: what flow loses on matched levels if not that."""

    def value(metric, row):
        few = row["steps"] == 4
        own = flow if matched is None or row["grid"] == "native" else matched
        lost = few * (own if row["model"] == "flow" else diffusion)
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


def test_a_verdict_that_turns_with_the_noise_levels_depends_on_the_grid():
    judged = found("sensitivity", cells(falling(9.0, 3.0, matched=1.0), noise=0.2)).judged
    assert judged.verdict == "depends on the grid"
    assert judged.notes[0] == "Native grid: refuted; matched grid: supported."
    half = found("sensitivity", cells(falling(9.0, 3.0, matched=3.0), noise=0.2)).judged
    assert half.verdict == UNDECIDED  # one grid alone says nothing of both
    without = [lambda row: row["grid"] == "matched"]
    assert verdict("sensitivity", falling(1.0, 3.0), without=without) == NOT_TESTED


def test_models_that_differ_in_more_than_the_objective_do_not_count_for_families():
    unfair = {**PARTS, "unfair": "one learnt from the other"}
    some = findings(cells(falling(1.0, 3.0), noise=0.2, parts=unfair))
    marked = {finding.name for finding in some if finding.unfair}
    assert marked == {"sensitivity", "bands"}
    assert not any(finding.unfair for finding in findings(cells(falling(1.0, 3.0))))


def halved(native, matched=None):
    """What half of enough steps lose in margins, on either grid."""

    def value(metric, row):
        share = native if row["grid"] == "native" or matched is None else matched
        lost = share * (row["model"] == "flow" and row["steps"] == 20)
        return {FD: 50 + 6 * lost, CLIP: 90 - 0.5 * lost}.get(metric)

    return value


@pytest.mark.parametrize(
    ("native", "matched", "noise", "expected"),
    [
        (0.3, None, 0.02, SUPPORTED),
        (2.0, None, 0.02, REFUTED),
        (0.3, 2.0, 0.02, "depends on the grid"),
        (0.3, None, 20.0, UNDECIDED),
    ],
)
def test_half_of_enough_steps_look_the_same_on_both_grids(native, matched, noise, expected):
    assert verdict("plateau", halved(native, matched), noise=noise) == expected


def test_what_diffusion_loses_by_halving_stands_beside():
    beside = dict(found("plateau", cells(halved(0.3), noise=0.02)).judged.beside)
    assert any(words.endswith("loss of ddpm, ddim, 20 steps against 40") for words in beside)


def spectrum(flow, diffusion, few=0.0):
    """Power by octave of either family; few: what few steps add to the grain."""

    def value(metric, row):
        if metric == "sharpness":
            return 0.0
        if metric == "grain":
            return few * (row["steps"] == 4)
        if not metric.startswith("power_octave_"):
            return None
        levels = flow if row["model"] == "flow" else diffusion
        return levels[int(metric[-1]) - 1]

    return value


EVEN, TILTED = (2.0, 2.0, 2.0, 2.0), (-2.0, 0.0, 1.0, 1.0)
SLIGHTLY = (2.0, 2.0, 2.0, 2.8)  # 0.12 dB²


@pytest.mark.parametrize(
    ("flow", "diffusion", "noise", "expected"),
    [
        (EVEN, TILTED, 0.2, SUPPORTED),  # 2 dB off in all octaves is even
        (TILTED, EVEN, 0.2, REFUTED),
        (TILTED, TILTED, 0.2, REFUTED),  # as even is not more even
        (SLIGHTLY, EVEN, 0.02, REFUTED),  # and so little more is not, either
        (EVEN, SLIGHTLY, 0.02, REFUTED),
        (TILTED, TILTED, 3.0, UNDECIDED),
    ],
)
def test_evenness_over_octaves(flow, diffusion, noise, expected):
    assert verdict("bands", spectrum(flow, diffusion), noise=noise) == expected


@pytest.mark.parametrize(
    ("few", "noise", "expected"),
    [(2.0, 0.2, SUPPORTED), (0.1, 0.2, REFUTED), (-2.0, 0.2, REFUTED), (0.5, 1.0, UNDECIDED)],
)
def test_grit_is_grain_off_the_edges(few, noise, expected):
    assert verdict("grit", spectrum(EVEN, EVEN, few), noise=noise) == expected


def test_grit_under_one_scheduler_alone_depends_on_the_scheduler():
    gritty = spectrum(EVEN, EVEN, few=2.0)

    def value(metric, row):
        smooth = row["scheduler"] == "euler_a" and row["steps"] == 4
        return spectrum(EVEN, EVEN, few=-2.0)(metric, row) if smooth else gritty(metric, row)

    judged = found("grit", cells(value, noise=0.2)).judged
    assert judged.verdict == "depends on the scheduler"
    assert judged.notes == ("Ddim: supported; dpmpp_2m: supported; euler_a: refuted.",)


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
    ("sharpness", "grain", "expected"),
    [
        (0.0, -1.0, SUPPORTED),  # 1 dB nearer to 0 than in few steps
        (0.0, 2.0, REFUTED),  # as far on the other side
        (-3.0, -1.0, REFUTED),  # edges are soft
    ],
)
def test_textures_of_photographs_are_read_off_their_grain(sharpness, grain, expected):
    def value(metric, row):
        fast, longer = row["model"] == "fast", row["steps"] == 8
        return {
            "sharpness": 1.0 + fast * (sharpness - 2.0 * (sharpness < 0)),
            "saturation_distance": 4.0,
            "grain": (grain if longer else -2.0) if fast else 0.0,
        }.get(metric)

    assert verdict("textures", value, noise=0.05) == expected


def guided(low, high, chroma, *, accuracy=(-0.1, 0.01), clipped=0.2):
    """accuracy: at low and high guidance, less that between; clipped: what high guidance adds."""

    def value(metric, row):
        weight = row["guidance"]
        return {
            CLIP: {1.0: 90 + low, 4.0: 90.0, 10.0: 90 + high}[weight],
            "accuracy": 0.9 + {1.0: accuracy[0], 4.0: 0.0, 10.0: accuracy[1]}[weight],
            "saturation": chroma * (weight == 10.0),
            "clipped": 0.05 + clipped * (weight == 10.0),
        }.get(metric)

    return value


@pytest.mark.parametrize(
    ("low", "high", "chroma", "expected"),
    [
        (-5.0, 0.0, 6.0, SUPPORTED),
        (-5.0, -9.0, 6.0, UNDECIDED),  # CLIP says that high guidance loses the prompt, accuracy not
        (-0.1, 0.0, 6.0, UNDECIDED),  # CLIP says that low guidance does not drift
        (-5.0, 0.0, 0.0, UNDECIDED),  # pixels are clipped, and colours stay
    ],
)
def test_guidance_follows_and_over_saturates_if_its_readers_agree(low, high, chroma, expected):
    judged = found("guidance", cells(guided(low, high, chroma), noise=0.004)).judged
    assert judged.verdict == expected
    assert any("Readers disagree" in note for note in judged.notes) == (expected == UNDECIDED)


@pytest.mark.parametrize(
    ("chroma", "accuracy", "clipped", "high"),
    [
        (0.0, (-0.1, 0.01), 0.0, 0.0),  # colours stay by both
        (6.0, (-0.1, -0.2), 0.2, -9.0),  # high guidance loses the prompt by both
    ],
)
def test_guidance_is_refuted_by_what_both_readers_refute(chroma, accuracy, clipped, high):
    value = guided(-5.0, high, chroma, accuracy=accuracy, clipped=clipped)
    assert verdict("guidance", value, noise=0.004) == REFUTED


def likeness(near, far, *, alone=0.5, own=None):
    """Cosines to the input; own: those of the run whose prompts are the inputs' own."""

    def value(metric, row):
        if row["task"] != "img2img" or metric not in COSINES:
            return None
        close, loose = own if own and row["again"] else (near, far)
        return {0.02: close, 0.2: loose}.get(row["strength"], alone)

    return value


@pytest.mark.parametrize(
    ("near", "far", "noise", "expected"),
    [
        (0.95, 0.55, 0.02, SUPPORTED),  # 90 % and 10 % of the way from noise alone
        (0.8, 0.55, 0.02, REFUTED),
        (0.95, 0.7, 0.02, REFUTED),
        (0.9, 0.55, 0.2, UNDECIDED),
    ],
)
def test_strength_is_a_share_of_the_way_from_noise_alone(near, far, noise, expected):
    assert verdict("strength", likeness(near, far), noise=noise) == expected


def test_what_strength_does_may_depend_on_the_prompt():
    value = likeness(0.95, 0.55, own=(0.95, 0.9))
    judged = found("strength", cells(value, noise=0.02)).judged
    assert judged.verdict == "depends on the prompt"
    assert found("strength", cells(value, again=False)).note == (
        "The second run was not made: sweep experiment=claims_again."
    )


def test_a_strength_of_other_noise_than_the_claim_means_is_not_taken():
    some = cells(likeness(0.95, 0.55))
    frame = some.frame.copy()
    frame.loc[frame["strength"] == 0.2, "sigma_start"] = 8.0
    note = found("strength", replace(some, frame=frame)).note
    assert "begins at noise of 8, and strength 0.9 at 1024x1024 pixels has 0.519 here" in note


def test_noise_of_a_strength_falls_with_the_resolution():
    """Stable Diffusion's own levels at timesteps 300 and 900, and a sixteenth of them."""
    assert noise_of(0.3, 128) == pytest.approx(0.8299, abs=1e-4)
    assert noise_of(0.9, 8) == pytest.approx(8.3028 / 16, abs=1e-4)
    assert is_about(1.4, 1.0)
    assert not is_about(1.0, 1.5)


def looking(samples=512, again=0.0, **shifts):
    """Images that look alike but for what a scheduler adds to the finest octave, in dB, and what
    another process adds."""

    def value(metric, row):
        if metric.startswith("power") or metric in ("sharpness", "grain"):
            moved = shifts.get(row["scheduler"], 0.0) + again * row["again"]
            return moved * (metric == "power_octave_1")
        return None

    return cells(value, samples=samples, noise=0.2)


def test_a_scheduler_has_character_if_one_look_differs_by_its_effect():
    every = found("character", looking(dpmpp_2m=2, euler_a=-2, heun=1, dpmpp_2m_karras=-1)).judged
    assert every.verdict == SUPPORTED
    assert "Power at 2 to 4 px, as it differs" in every.parts[0].words
    assert found("character", looking()).judged.verdict == REFUTED
    some = found("character", looking(heun=0.81)).judged
    assert some.verdict == "depends on the scheduler"
    assert some.notes == (
        "Dpmpp_2m and ddim: refuted; euler_a and ddim: refuted; heun and ddim: supported; "
        "dpmpp_2m_karras and ddim: refuted.",
    )


def test_character_needs_two_processes_that_make_the_same():
    judged = found("character", looking(again=0.4, heun=2)).judged
    assert judged.verdict == UNDECIDED
    control = next(part for part in judged.parts if part.words.startswith("control"))
    assert control.held.value == pytest.approx(0.8, abs=0.1)  # in effects of 0.5 dB
    without = cells(lambda metric, row: 0.0, again=False)
    assert "second run was not made" in found("character", without).note


@pytest.mark.long
@pytest.mark.slow
def test_character_at_its_effect_is_wrongly_decided_no_more_often_than_the_level():
    """One look of one scheduler lies at its effect, and all else is clear: neither that schedulers
    differ nor that they do not may be said, but for the level."""
    rng, runs = np.random.default_rng(0), 300
    some = looking(samples=64)
    rows = some.frame.index[(some.frame["task"] == "txt2img") & (some.frame["steps"] == 8)]
    verdicts = Counter()
    for _ in range(runs):
        estimates = {
            metric: {
                i: mean_estimate(
                    0.5 * (metric == "grain" and some.frame["scheduler"][i] == "heun")
                    + 0.4 * rng.standard_normal(64)
                )
                for i in rows
            }
            for metric in some.estimates
        }
        again = replace(some.again, estimates=estimates)
        drawn = replace(some, estimates=estimates, again=again)
        verdicts[schedulers_have_character(drawn).verdict] += 1
    for wrong in ("depends on the scheduler", REFUTED, SUPPORTED):
        assert verdicts[wrong] / runs < LEVEL + 3 * (LEVEL / runs) ** 0.5
    assert verdicts[UNDECIDED] > 0.9 * runs


def test_what_is_not_there_is_not_tested_and_says_why():
    some = cells(loses(), without=[lambda row: row["model"] == "flow"])
    flow = found("sensitivity", some)
    assert flow.judged.verdict == NOT_TESTED
    assert "No cell of this run has model=flow, scheduler=flow_euler, steps=4" in flow.note
    assert found("textures", some).note == (
        "Neither accuracy_shape nor sharpness was measured in this run."
    )
    octaves = cells(lambda metric, row: 0.0 if metric == "power_octave_1" else None)
    assert "grain was not measured" in found("grit", octaves).note.lower()
    assert "no power by octave" in found("bands", cells(loses())).note.lower()
    assert "nothing was read off each image" in found("character", cells(loses())).note.lower()


def test_what_a_world_has_not_is_not_testable_and_says_why():
    absent = {"distilled": "no model of it was distilled", "looks": "its images are too small"}
    parts = {**PARTS, "distilled": None, "absent": absent}
    some = cells(loses(), parts=parts)
    for name in ("distilled", "textures"):
        assert found(name, some).judged.verdict == NOT_TESTABLE
        assert found(name, some).note == "No model of it was distilled."
    assert found("grit", some).note == "Its images are too small."
    assert found("returns", some).judged.verdict != NOT_TESTABLE
    unread = {**PARTS, "readers": [], "absent": {"readers": "it has no prompts"}}
    assert found("guidance", cells(loses(), parts=unread)).note == "It has no prompts."
    assert found("returns", cells(loses(**EARLY), parts=unread)).judged.verdict == REFUTED


def test_a_world_of_one_scheduler_has_its_own_verdicts_and_no_others():
    """As of a consistency model, which runs under its own scheduler alone."""
    nobody = ("solver", "noisy", "two_stage", "karras")
    reason = "one scheduler alone drives it"
    parts = {**PARTS, **dict.fromkeys(nobody), "absent": dict.fromkeys(nobody, reason)}
    some = cells(spectrum(EVEN, EVEN, few=2.0), noise=0.2, parts=parts)
    assert found("grit", some).judged.verdict == SUPPORTED
    for name in ("returns", "character"):
        assert found(name, some).judged.verdict == NOT_TESTABLE
        assert found(name, some).note == "One scheduler alone drives it."


def test_too_few_samples_or_no_margins_decide_nothing():
    few = found("distilled", cells(distilled(0, 0), samples=128))
    assert few.note == "Fd_shapes decides nothing below 256 samples: raise samples."
    assert "fd_shapes has no margin here" in found("returns", cells(loses(), gates={})).note.lower()


def test_a_cell_that_failed_is_named():
    some = cells(distilled(0, 0))
    frame = some.frame.copy()
    failed = (frame["model"] == "fast") & (frame["steps"] == 8)
    frame.loc[failed, ["status", "message"]] = ["failed", "OutOfMemoryError: no"]
    note = found("distilled", replace(some, frame=frame)).note
    assert note == "Fast, lcm, 8 steps is failed: OutOfMemoryError: no."


def test_samples_that_cannot_be_paired_are_not_compared():
    some = cells(distilled(0, 0))
    fast = next(i for i, row in some.frame.iterrows() if row["model"] == "fast")
    for metric in (FD, CLIP):
        for i in (fast, fast + 1):
            values = np.zeros(512)
            some.estimates[metric][i] = mean_estimate(values, np.repeat(np.arange(256), 2))
    assert "Cannot pair" in found("distilled", some).note


def test_every_claim_is_tested_where_all_is_measured_and_speaks_of_the_runs_own_models():
    def value(metric, row):
        return None if metric.endswith("_input") and row["task"] == "txt2img" else 0.5

    every = findings(cells(value))
    assert [each.name for each in every] == [claim.name for claim in CLAIMS]
    assert NOT_TESTED not in {each.judged.verdict for each in every}
    for each in every:
        assert "{" not in each.statement + each.rule + each.reason
        assert each.judged.shown
        assert each.note or each.judged.verdict != UNDECIDED
    assert every[1].statement == "fast in 8 steps matches ddim in 50."
    other = cells(value, parts={**PARTS, "few": 5})
    assert "steps=5" in found("textures", other).note


def cached(gain, **others):
    """Distances that fall by 1 a step, and by so much more under a cache, by its first word."""

    def value(metric, row):
        if metric not in (FD, OTHER_FD):
            return None
        gains = {"taylorseer": gain, **others}
        return 60 - row["steps"] - gains.get(row["cache"].split()[0], 0)

    return value


# In 8 steps taylorseer costs as much as 4 plain ones, in 16 as 8; magcache as 7 and as 14.
@pytest.mark.parametrize(
    ("taylorseer", "magcache", "expected"),
    [
        (2, 2, SUPPORTED),  # 8 plain steps are 4 and 8 better than those of equal cost
        (-12, -6, REFUTED),
        (2, -6, "depends on the cache"),
        (-4, -1, UNDECIDED),  # in 8 steps as good as fewer steps, in 16 better
    ],
)
def test_caches_are_held_against_plain_cells_of_equal_cost(taylorseer, magcache, expected):
    assert verdict("caches", cached(taylorseer, magcache=magcache), noise=0.5) == expected


def test_the_plain_cell_is_the_one_of_the_most_steps_that_costs_no_more():
    judged = found("caches", cells(cached(2, magcache=2), noise=0.5)).judged
    pairs = [part.words.split(": gain of ")[1] for part in judged.parts[::2]]
    assert [pair.split(" on ")[1] for pair in pairs] == [
        "flow, flow_euler, 4 steps",
        "flow, flow_euler, 8 steps",
        "flow, flow_euler, 7 steps",
        "flow, flow_euler, 14 steps",
    ]
    assert judged.parts[0].held.value == pytest.approx(6, abs=0.5)


def test_caches_are_not_tested_without_the_plain_steps_that_would_cost_as_much():
    lacking = cells(cached(2), without=[lambda row: (row["model"], row["steps"]) == ("flow", 9)])
    result = found("caches", lacking)
    assert result.judged.verdict == NOT_TESTED
    assert "16 steps, taylorseer interval 2 is held against plain" in result.note
    assert result.note.endswith("sweep 9 too.")


def test_caches_are_not_tested_of_a_run_that_asked_for_none():
    old = {name: part for name, part in PARTS.items() if name != "cached"}
    assert found("caches", cells(cached(2), parts=old)).judged.verdict == NOT_TESTED
    nobody = {**PARTS, "cached": None, "absent": {"cached": "no cache goes there"}}
    result = found("caches", cells(cached(2), parts=nobody))
    assert (result.judged.verdict, result.note) == (NOT_TESTABLE, "No cache goes there.")
