"""claims.html and claims.md, and the sweep that makes them."""

import re

import pytest
import yaml

from denoisebench.bench.records.run import load_run, save_run
from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED
from denoisebench.reports.claims.claims import CLAIMS, NOT_TESTABLE, NOT_TESTED, findings
from denoisebench.reports.claims.page import drawn, render_claims
from denoisebench.reports.claims.records import Shown
from denoisebench.reports.claims.words import (
    claimed_text,
    decisive,
    measured_text,
    verdict_counts,
)
from tests.helpers.cli import call
from tests.helpers.fake_claims import PARTS, cells, finding, part
from tests.helpers.fake_run import fabricate
from tests.helpers.pages import ATTACKS, Page


def test_a_part_is_told_with_the_bounds_that_decide():
    assert measured_text(part()) == "2.00 dB (1.00 to 3.00)"
    assert (claimed_text(part()), claimed_text(part(above=False, threshold=0.0))) == (
        "above 0.5",
        "below 0",
    )


def test_the_number_of_a_claim_is_the_one_that_decides():
    yes, no = part(SUPPORTED), part(REFUTED)
    assert decisive(finding(REFUTED, yes, no)) is no
    assert decisive(finding(NOT_TESTED)) is None


@pytest.mark.parametrize("above", [True, False])
def test_an_interval_is_drawn_to_scale_beside_its_threshold(above):
    place = drawn(part(above=above))
    assert 0 < place.threshold < place.low < place.value < place.high < 1
    assert (place.value - place.low) / (place.high - place.low) == pytest.approx(0.5)
    assert (place.low - place.threshold) / (place.high - place.low) == pytest.approx(0.25)
    claimed = (place.start, place.start + place.width)
    expected = (place.threshold, 1) if above else (0, place.threshold)
    assert claimed == pytest.approx(expected)


def test_what_has_no_bounds_is_not_drawn_and_a_point_is():
    assert drawn(part(low=float("nan"))) is None
    point = drawn(part(value=0.5, low=0.5, high=0.5))
    assert point.low == point.high == point.threshold == 0.5


def test_verdicts_are_counted_from_supported_to_not_tested():
    order = (NOT_TESTABLE, NOT_TESTED, UNDECIDED, SUPPORTED, UNDECIDED)
    counts = "1 supported, 2 undecided, 1 not tested, 1 not testable here"
    assert verdict_counts([finding(verdict) for verdict in order]) == counts


@pytest.fixture
def run(tmp_path):
    """A run whose every name is an attack."""
    made = fabricate(
        tmp_path / "run", models=ATTACKS[1:], schedulers=ATTACKS[:1], steps=(2,), prompts=ATTACKS
    )
    made.claims.update({**PARTS, "diffusion": ATTACKS[0], "flow": ATTACKS[1], "naive": ATTACKS[2]})
    made.environment["gpu"] = ATTACKS[1]
    save_run(made)
    return load_run(made.folder)


def test_hostile_names_inject_nothing(run):
    some = [*findings(cells(lambda metric, row: None, parts=run.claims))]
    some.append(finding(REFUTED, part(words=ATTACKS[0]), shown=[Shown(ATTACKS[1], 0)]))
    page = Page(render_claims(run, some))
    assert not page.scripts
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "img" or attributes["src"].startswith("data:image/webp;base64,")
        assert not re.match(r"\s*(https?:)?//", attributes.get("href") or "")
    for attack in ATTACKS:
        assert attack in page.text
    (policy,) = [a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_shows_verdicts_intervals_images_and_prompts(run):
    some = [finding(SUPPORTED, part(), shown=[Shown("few", 0), Shown("gone", 0, given=True)])]
    page = Page(render_claims(run, some))
    assert "SUPPORTED" in page.text
    assert len([tag for tag, _ in page.elements if tag == "svg"]) == 2  # at the top, and its own
    assert len([tag for tag, _ in page.elements if tag == "img"]) == 4  # there are no inputs
    assert "2.00 dB (1.00 to 3.00)" in page.text


@pytest.mark.long
@pytest.mark.slow
def test_the_sweep_tests_claims_on_other_models_by_override(tmp_path, capsys):
    """In one or two steps: some claims can be tested, the others say why not."""
    names = ("some", "usual", "half", "enough", "many")
    swept = ("claims.few=1", "steps=1,2", *(f"claims.{name}=2" for name in names))
    swept += ("claims.noisy=ddim", "claims.high_guidance=4", "claims.low_strength=0.9")
    swept += ("claims.two_stage=ddim", "claims.karras=ddim", "claims.low_equal=0.9")
    swept += ("claims.high_equal=0.9", "claims.readers=[clip_score_shapes]")
    small = (f"runs={tmp_path}", "run=small", "samples=8", "batch_size=8", "tracking=none")
    fast = ("threads=1", "metrics.reference_samples=64", "claims.flow=shapes-lcm", "grid=native")
    fast += ("metrics.images=[spectrum,sharpness,grain]", "metrics.accuracy=null")
    fast += ("metrics.fidelity=[cosine]", "claims.cached=null", "+claims.absent.cached=unasked")
    arguments = (*small, *fast, *swept, "claims.flow_solver=lcm", "claims.matched=ddim")
    code, _, err = call(capsys, "sweep", "experiment=claims", *arguments)
    assert code == 0, err
    folder = tmp_path / "small"
    text = (folder / "claims.md").read_text()
    assert text.count("\n## ") == len(CLAIMS) + 1  # and who plays which part
    assert "Fd_shapes decides nothing below 256 samples" in text
    assert "ddim: grain, 1 step less 2" in text
    assert "The second run was not made: sweep experiment=claims_again." in text
    assert "no cell of this run has model=shapes-lcm" in text.lower()
    assert 'href="claims.html"' in (folder / "report.html").read_text()
    assert load_run(folder).claims["flow"] == "shapes-lcm"
    assert yaml.safe_load((folder / "config.yaml").read_text())["claims"]["few"] == 1


@pytest.mark.slow
def test_a_part_that_is_no_part_is_refused_before_anything_loads(tmp_path, capsys):
    def refused(*arguments):
        command = ("sweep", "experiment=claims", f"runs={tmp_path}", "tracking=none", *arguments)
        code, _, err = call(capsys, *command)
        assert code == 2
        return err

    assert "claims.few=0" in refused("claims.few=0")
    assert "model=shapes-flw: unknown" in refused("claims.flow=shapes-flw").replace("/", "")
    assert "claims.hero" in refused("+claims.hero=1")
    assert "flow: a part that is null needs its reason in absent" in refused("claims.flow=null")
