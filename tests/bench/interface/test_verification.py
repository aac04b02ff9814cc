"""A scheduler class verified from Python: judged as by the command, in this process."""

import json
import os

import pytest
from diffusers import EulerDiscreteScheduler

import denoisebench as db
from denoisebench.bench.verify.judge import VERDICTS


class Halved(EulerDiscreteScheduler):
    """Goes half of each step: wrong by a lot."""

    def step(self, model_output, timestep, sample, **more):
        result = super().step(model_output, timestep, sample, **more)
        result.prev_sample = (result.prev_sample + sample) / 2
        return result


def verdicts_of(record):
    return [
        (row["path"], row["grid"], row["prediction_type"], row["verdict"]) for row in record["rows"]
    ]


def test_a_class_of_the_catalogue_is_judged_as_by_the_command(verified):
    from diffusers import DEISMultistepScheduler

    folder, _ = verified
    stored = json.loads((folder / "verify.json").read_text())
    rows = [row for row in stored["rows"] if row["scheduler"] == "flow_deis"]
    flags = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    verification = db.verify(DEISMultistepScheduler, flags=flags, family="flow")
    assert verdicts_of(verification.record) == verdicts_of({"rows": rows})
    frame = verification.frame()
    assert set(frame["known"]) > {""}
    assert not frame["inherited"].any()


def test_a_wrong_scheduler_deviates():
    before = dict(os.environ)
    verification = db.verify(Halved, order=1)
    assert dict(os.environ) == before
    assert not verification.passed
    frame = verification.frame()
    assert {*frame["verdict"]} <= {*VERDICTS}
    assert {"timesteps", "residual noise"} <= {*frame.query("verdict == 'defect'")["check"]}
    assert repr(verification).startswith("Halved: deviates\n")
    assert "Halved: inherited from EulerDiscreteScheduler: " in repr(verification)
    assert {*frame.query("inherited")["known"]} == {*verification.record["schedulers"][0]["known"]}
    assert (frame["inherited"] == (frame["known"] != "")).all()
    own = frame.query("verdict != 'conforms' and not inherited")
    assert len(own) == len(verification.record["new"])


@pytest.mark.parametrize(
    ("scheduler", "facts", "message"),
    [
        (EulerDiscreteScheduler(), {}, "give a scheduler class, not an object"),
        (int, {}, "is no scheduler class of diffusers' kind"),
        (type("Local", (), {}), {}, "define the class at the top level of a module or notebook"),
        (Halved, {"order": 0}, "order"),
        (Halved, {"family": "flwo"}, "family"),
        (Halved, {"flags": {"karras": True}}, "takes no karras"),
        (Halved, {"stochastic": True}, "stochastic=true: two runs"),
    ],
)
def test_what_cannot_be_verified_is_refused(scheduler, facts, message):
    with pytest.raises(db.UserError, match=message):
        db.verify(scheduler, **facts)
