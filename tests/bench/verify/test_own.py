"""A class of the user's own: known by its relatives, tried once, refused in a line."""

import pytest
import torch

from denoisebench.bench.errors import UserError
from denoisebench.bench.schedulers.catalogue import SCHEDULERS
from denoisebench.bench.verify import budget
from denoisebench.bench.verify.case import Case
from denoisebench.bench.verify.own import own_subject
from denoisebench.bench.verify.verify import verify_case

BROKEN = "tests.helpers.broken_schedulers"


@pytest.mark.parametrize(
    ("dotted", "said"),
    [
        ("nowhere.Class", "cannot be imported"),
        ("tests.helpers.broken_schedulers.GiveNaN", r"has no GiveNaN; did you mean GivesNaN"),
        ("tests.helpers.broken_schedulers.Qq", "has no Qq; known: "),
        ("Class", "cannot be imported"),
        (".odd.Class", "cannot be imported"),
        ("tests.helpers.broken_module.Class", "cannot be imported .planted"),
        ("pathlib.Path", "is no scheduler class"),
        (
            f"{BROKEN}.OtherArguments",
            r"step\(model_output, timestep, sample, sigma\) cannot be called as "
            r"step\(model_output, timestep, sample\); give it these arguments first",
        ),
        (f"{BROKEN}.OtherOrder", r"step\(sample, timestep, model_output\) cannot be called as"),
        (f"{BROKEN}.ReturnsATuple", "step returns no prev_sample"),
        ("diffusers.CogVideoXDPMScheduler", "cannot be called as"),
        ("diffusers.ScoreSdeVeScheduler", "it lacks step"),
    ],
)
def test_what_is_no_scheduler_is_refused(dotted, said):
    with pytest.raises(UserError, match=said):
        own_subject(dotted, {})


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_class_of_the_catalogue_is_its_entry(name):
    spec = SCHEDULERS[name]
    subject = own_subject(f"diffusers.{spec.class_name}", spec.flags)
    assert (subject.name, subject.spec, subject.own) == (name, spec, "")
    assert subject.notes == (f"diffusers.{spec.class_name} is verified as {name} of the catalogue",)


@pytest.mark.parametrize(
    ("class_name", "entry"),
    [("FlowMatchEulerDiscreteScheduler", "flow_euler"), ("PNDMScheduler", "pndm")],
)
def test_without_flags_it_is_the_entry_with_the_fewest(class_name, entry):
    assert own_subject(f"diffusers.{class_name}", {}).name == entry


def test_a_family_chooses_among_the_entries():
    subject = own_subject("diffusers.UniPCMultistepScheduler", {}, family="flow")
    assert subject.name == "flow_unipc"


def test_facts_of_the_catalogue_are_not_contradicted():
    assert own_subject("diffusers.HeunDiscreteScheduler", {}, order=2).name == "heun"
    with pytest.raises(UserError, match=r"own.order=3: .* is heun .*, which states 2"):
        own_subject("diffusers.HeunDiscreteScheduler", {}, order=3)


def test_other_flags_keep_the_facts_of_the_class_and_name_its_grid():
    flags = {"use_karras_sigmas": True}
    subject = own_subject("diffusers.HeunDiscreteScheduler", flags)
    assert subject.own
    assert (subject.spec.evaluations, subject.spec.period) == ((2, -1), 2)
    assert (subject.spec.order, subject.spec.flags) == (None, flags)
    assert list(subject.grids) == ["karras"]
    assert subject.relatives == ("heun",)


def test_a_class_made_from_one_of_the_catalogue_has_its_facts_and_its_excuses():
    subject = own_subject(f"{BROKEN}.SoundFlow", {}, order=1)
    assert (subject.spec.family, subject.spec.stochastic) == ("flow", False)
    assert {"flow_euler", "FlowMatchEulerDiscreteScheduler"} <= set(subject.aliases)
    assert "flow_euler_sde" not in subject.aliases


def test_the_closest_relative_excuses_alone():
    flags = {"stochastic_sampling": True}
    subject = own_subject(f"{BROKEN}.SoundFlow", flags)
    assert subject.relatives == ("flow_euler_sde",)
    assert subject.spec.stochastic


@pytest.mark.parametrize("name", ["PassesOn", "NoisyByItself"])
def test_noise_is_seen_by_running_twice(name):
    subject = own_subject(f"{BROKEN}.{name}", {}, order=1)
    assert subject.spec.stochastic
    assert subject.spec.order is None
    assert "adds noise: two runs from one start" in subject.notes[0]


def test_noise_of_the_global_generator_is_a_defect_of_its_own():
    subject = own_subject(f"{BROKEN}.NoisyByItself", {})
    row = verify_case(subject, "scaled_linear", "trailing")[0]
    values = {check.name: check.value for check in row.checks}
    assert (values["seed"], values["generator"]) == (1, 1)


def test_no_noise_is_seen_where_none_is_added():
    subject = own_subject(f"{BROKEN}.Sound", {})
    assert (subject.spec.stochastic, subject.notes) == (False, ())


@pytest.mark.parametrize(("name", "stated"), [("Sound", True), ("PassesOn", False)])
def test_a_wrong_word_on_noise_is_refused(name, stated):
    with pytest.raises(UserError, match=f"own.stochastic={str(stated).lower()}: two runs"):
        own_subject(f"{BROKEN}.{name}", {}, stochastic=stated)


def test_trying_a_class_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    own_subject(f"{BROKEN}.NoisyByItself", {})
    assert torch.equal(before, torch.get_rng_state())


def test_a_class_that_never_ends_is_stopped_and_said(monkeypatch):
    monkeypatch.setattr(budget, "SECONDS", 0.5)
    subject = own_subject(f"{BROKEN}.NeverEnds", {})
    rows = verify_case(subject, "scaled_linear", "karras")
    (runs,) = [check for check in rows[0].checks if check.name == "runs"]
    assert "not done after 0.5 s of computing at N = 32" in runs.note
    assert rows[0].numbers["order"] is None


def test_a_run_after_the_time_is_used_up_is_not_begun():
    subject = own_subject(f"{BROKEN}.Sound", {})
    case = Case(subject, "scaled_linear", "karras", "epsilon", _time=budget.Budget(0))
    assert case.run(8).error == "not done after 0 s of computing"
