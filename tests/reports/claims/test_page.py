"""claims.html and claims.md, and the sweep that makes them."""

import re

import pytest
import yaml

from denoisebench.bench.records.run import load_run, save_run
from denoisebench.metrics.decide.assertion import REFUTED, SUPPORTED, UNDECIDED, Held
from denoisebench.reports.claims.claims import NOT_TESTED, Finding, findings
from denoisebench.reports.claims.page import (
    claimed_text,
    claims_markdown,
    decisive,
    drawn,
    measured_text,
    render_claims,
    verdict_counts,
)
from denoisebench.reports.claims.records import Judged, Part, Shown
from tests.helpers.cli import call
from tests.helpers.fake_claims import PARTS, cells
from tests.helpers.fake_run import fabricate
from tests.helpers.pages import ATTACKS, Page


def part(verdict=SUPPORTED, value=2.0, low=1.0, high=3.0, threshold=0.5, above=True, words="x"):
    return Part(words, "dB", above, threshold, Held(verdict, value, low, high, 0))


def finding(verdict, *parts, shown=(), words="a claim"):
    return Finding(words, words, words, words, Judged(verdict, [*parts], [], [*shown]), "a note.")


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
    every = [finding(v) for v in (NOT_TESTED, UNDECIDED, SUPPORTED, UNDECIDED)]
    assert verdict_counts(every) == "1 supported, 2 undecided, 1 not tested"


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


def test_markdown_has_a_line_and_a_section_for_each_claim(run):
    some = [finding(REFUTED, part(REFUTED, words="a|b <i>")), finding(NOT_TESTED, words="other")]
    text = claims_markdown(run, some)
    assert r"| a claim | **refuted** | a\|b &lt;i> | 2.00 dB (1.00 to 3.00) | above 0.5 |" in text
    assert "| other | **not tested** | a note. |  |  |" in text
    assert text.count("\n## ") == 2
    assert "<script>" not in text


@pytest.mark.slow
def test_the_sweep_tests_claims_on_other_models_by_override(tmp_path, capsys):
    """In one or two steps: some claims can be tested, the others say why not."""
    swept = ("claims.few=1", "claims.some=2", "claims.usual=2", "claims.many=2", "steps=1,2")
    swept += ("claims.noisy=ddim", "claims.high_guidance=4", "claims.low_strength=0.9")
    small = (f"runs={tmp_path}", "run=small", "samples=8", "batch_size=8", "tracking=none")
    fast = ("threads=1", "metrics.reference_samples=64", "claims.flow=shapes-lcm", "grid=native")
    fast += ("metrics.images=[spectrum]", "metrics.accuracy=null", "metrics.fidelity=[cosine]")
    arguments = (*small, *fast, *swept, "claims.flow_solver=lcm", "claims.matched=ddim")
    code, _, err = call(capsys, "sweep", "experiment=claims", *arguments)
    assert code == 0, err
    folder = tmp_path / "small"
    text = (folder / "claims.md").read_text()
    assert text.count("\n## ") == 9
    assert "fd_shapes decides nothing below 256 samples" in text
    assert "unevenness of shapes-lcm, lcm, 2 steps less that of shapes-ddpm, ddim, 2 steps" in text
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
