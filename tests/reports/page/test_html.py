import json
import re
from dataclasses import replace

import pytest

from denoisebench.bench.records.run import CurveNote
from denoisebench.bench.records.store import Store
from denoisebench.reports.decide.answer import answers
from denoisebench.reports.decide.defaults_yaml import default_records
from denoisebench.reports.page.html import render_html
from denoisebench.reports.report import content_of
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame, records
from tests.helpers.fake_run import CLIP, FD, fabricate
from tests.helpers.pages import ATTACKS, Page


def rendered(run, script="window.vegaEmbed = null;"):
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    return render_html(run, frame, content_of(run, frame, estimates), script=script)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page on a run whose every name is an attack."""
    folder = tmp_path_factory.mktemp("hostile") / '"><img src=x onerror=alert(2)>'
    run = fabricate(
        folder,
        models=ATTACKS[1:],
        schedulers=ATTACKS[:2],
        steps=(2, 4, 8),
        guidances=(4.0,),
        prompts=ATTACKS,
        failed=[(ATTACKS[0], 8)],
    )
    run.environment["gpu"] = ATTACKS[0]
    (folder / "config.yaml").write_text(ATTACKS[0])
    return Page(rendered(run))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("plain") / "run", failed=[("heun", 16)], samples=64)


@pytest.fixture(scope="module")
def page(run):
    return Page(rendered(run))


@pytest.mark.slow
def test_what_a_scheduler_does_to_a_curve_is_said_beside_the_chart_to_ask(run):
    mark = CurveNote("shapes-ddpm", "ddim", "native", "trailing drift at 16 <steps>")
    text = rendered(replace(run, curve_notes=(mark,)))
    figures = re.findall(r'<figure class="chart" id="([\w-]+)">(.*?)</figure>', text, re.DOTALL)
    told = {name for name, inside in figures if "ddim: trailing drift at 16 &lt;steps" in inside}
    assert told == {"explorer"}
    assert "curve-notes" not in re.sub("<style.*?</style>", "", rendered(run), flags=re.DOTALL)


def nonce_of(text):
    (nonce,) = set(re.findall(r'nonce="([\w-]+)"', text))
    return nonce


def test_hostile_names_and_prompts_inject_nothing(hostile):
    page = hostile
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "img" or attributes["src"].startswith("data:image/webp;base64,")
    kinds = [attributes.get("type", "code") for attributes, _ in page.scripts]
    assert kinds.count("code") == 2
    assert set(kinds) == {"code", "application/json"}
    for attack in ATTACKS:
        assert attack in page.text


def test_charts_carry_hostile_names_as_data(hostile):
    charts = [text for attributes, text in hostile.scripts if "type" in attributes]
    assert not [text for text in charts if "<" in text]
    asked, *drawn = sorted(map(json.loads, charts), key=lambda chart: "datasets" in chart)
    assert asked["schedulers"] == [*ATTACKS[:2]]
    assert len(drawn) == 5 + len(ATTACKS[1:])  # a decision of each model
    for chart in drawn:
        (columns,) = chart["datasets"].values()
        written = " ".join(str(value) for column in columns.values() for value in column)
        assert all(name in written for name in ATTACKS[:2])


def test_only_the_pages_own_scripts_may_run_and_nothing_is_loaded(hostile):
    page = hostile
    (policy,) = [a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a]
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)'", policy)
    assert policy.startswith("default-src 'none'")
    assert [a["nonce"] for a, _ in page.scripts if "type" not in a] == [nonce, nonce]
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert not re.match(r"\s*(https?:)?//", attributes.get(name) or "")
        assert "url(" not in (attributes.get("style") or "")
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "base")]


def test_each_page_has_a_nonce_of_its_own(tmp_path):
    run = fabricate(tmp_path / "run", schedulers=("ddim",), steps=(2,))
    assert nonce_of(rendered(run)) != nonce_of(rendered(run))


def test_a_script_cannot_end_its_own_element(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2,))
    page = Page(rendered(run, script='f("</SCRIPT><b>", "<!--")'))
    code = [text for attributes, text in page.scripts if "type" not in attributes]
    assert code[0] == r'f("\x3c/SCRIPT><b>", "\x3c!--")'


def test_the_page_tells_what_was_swept_and_how_to_read_it(page):
    text = page.text
    assert "24 cells: 1 model, 3 schedulers, 4 step counts, 2 guidance scales, 1 seed." in text
    assert "lower is better" in text
    assert "higher is better" in text
    assert "observations, not decisions" in text


@pytest.mark.slow
def test_the_table_at_a_glance_names_the_default_of_the_cards_and_no_other(run):
    glance = re.compile(r'<table class="glance">(.*?)</table>', re.DOTALL)
    text = rendered(run)
    (setting,) = set(re.findall(r"<p><strong>(.*?), guidance 4</strong>: ", text))
    defaults = re.findall(r'data-label="Default">(.*?)<', "".join(glance.findall(text)))
    assert set(defaults) == {setting, "the best itself", "decided at guidance 4"}
    undeclared = rendered(replace(run, margins={}))
    assert "Default" not in "".join(glance.findall(undeclared))
    assert "Its last steps brought" in undeclared


def section_of(text, name):
    """The HTML of one section of a page."""
    start = text.index(f'<section id="{name}">')
    return text[start : text.index("</section>", start)]


@pytest.mark.slow
def test_the_page_begins_with_the_sentence_of_the_terminal_and_the_lines_to_copy(run):
    text = rendered(run)
    answer = Page(section_of(text, "answer"))
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    defaults = default_records(run, records(frame), content_of(run, frame, estimates).decisions)
    (said,) = answers(defaults, is_even=True)
    assert f"{said.head[1:]} {said.rest[0].upper()}{said.rest[1:]}" in answer.text
    assert 'denoisebench.apply(pipe, "defaults.yaml")' in answer.text
    tags = [tag for tag, _ in answer.elements]
    assert tags.index("figure") < tags.index("details") if "details" in tags else "figure" in tags
    assert text.index('<section id="answer">') < text.index('<section id="defaults">')


def test_a_page_without_a_default_says_why(run, tmp_path):
    assert "would choose, but nothing has a margin" in Page(rendered(replace(run, margins={}))).text
    grid = {"schedulers": ("ddim",), "steps": (2, 4), "guidances": (4.0,)}
    lost = fabricate(tmp_path / "lost", **grid, failed=[("ddim", 2), ("ddim", 4)])
    assert "No default: every cell failed." in Page(rendered(lost)).text
    stopped = replace(lost, store=Store.make(tmp_path / "empty"))
    assert "No default: no cell is done yet, none was run: the same" in Page(rendered(stopped)).text


@pytest.mark.slow
def test_cautions_are_folded_under_the_answer_each_said_once(run, tmp_path):
    warning = (
        "ddim, euler, heun at 4 steps: late; scheduler.flags.timestep_spacing=trailing mends it"
    )
    frame = load_frame(run)
    frame.loc[frame["steps"] == 4, "sigma_start"] *= 2
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}

    def cautions_of(one):
        content = content_of(one, frame, estimates)
        text = render_html(one, frame, content, script="")
        return re.findall("<li>(.*?)</li>", section_of(text, "answer"))

    (caution,) = [text for text in cautions_of(run) if "timestep_spacing=trailing" in text]
    assert caution.startswith("The noise that a run starts from moves")
    warned = cautions_of(replace(run, warnings=(warning,)))
    assert [text for text in warned if "timestep_spacing=trailing" in text] == [f"{warning}."]


def test_failed_cells_are_shown_with_their_messages(run, page):
    assert "2 failed." in page.text
    assert page.text.count("IndexError: index 33 is out of bounds & <sad>") == 2
    for entry in run.entries:
        failed = (entry.cell.scheduler, entry.cell.steps) == ("heun", 16)
        assert (entry.cell.key in page.text) == failed


def test_every_cell_has_a_row_and_every_figure_a_title(run, page):
    canvases = [a for _, a in page.elements if a.get("class") == "canvas"]
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert len(canvases) == 9
    assert {a[name] for a in canvases for name in ("aria-labelledby", "aria-describedby")} <= ids
    keys = [a for tag, a in page.elements if tag == "td" and "data-key" in a]
    assert len(keys) % len(run.entries) == 0
    assert {a["id"] for tag, a in page.elements if tag == "figure" and "id" in a} >= {
        f"{metric}_gain_per_step" for metric in (FD, CLIP)
    }


def test_every_entry_of_the_navigation_lands_on_its_own_section(page):
    links = [a["href"] for _, a in page.elements if a.get("href", "").startswith("#")]
    targets = [link[1:] for link in links if "?" not in link]
    sections = [a["id"] for tag, a in page.elements if tag == "section"]
    assert list(dict.fromkeys(targets)) == sections


def test_prompts_keep_their_writing_direction_to_themselves(page):
    tags = [tag for tag, _ in page.elements]
    prompts = [i for i, (tag, _) in enumerate(page.elements) if tag == "bdi"]
    assert len(prompts) == 8
    assert {tags[i - 1] for i in prompts} == {"figcaption"}


def test_passwords_in_the_config_are_left_out(tmp_path):
    run = fabricate(tmp_path / "run", steps=(2,))
    (run.folder / "config.yaml").write_text("uri: https://ann:hunter2@mlflow.example/x\n")
    text = rendered(run)
    assert "hunter2" not in text
    assert "https://mlflow.example/x" in text


@pytest.mark.slow
def test_a_page_of_tasks_tells_strengths_and_shows_inputs(tmp_path):
    tasks, strengths = ("txt2img", "inpaint"), (0.3, 0.9)
    run = fabricate(tmp_path / "run", tasks=tasks, strengths=strengths, guidances=(4.0,))
    page = Page(rendered(run))
    assert "1 seed, 2 tasks, 3 strengths." in page.text
    assert "Task txt2img, inpaint" in page.text
    assert "Strength 0.3, 0.9, 1" in page.text
    assert "what inpainting repaints is hatched" in page.text
    assert len([a for tag, a in page.elements if tag == "img" and a["alt"] == "input"]) == 4 * 2
    glance = page.text[: page.text.index("What was swept")]
    assert "Jump at the seam lower" not in glance
    assert "in the input" in page.text  # the section is there
    plain = Page(rendered(fabricate(tmp_path / "plain")))
    assert "Strength" not in plain.text
    assert "input image" not in plain.text


@pytest.mark.slow
def test_the_lines_to_copy_reach_the_file_from_where_the_report_is_made(tmp_path, monkeypatch):
    run = fabricate(tmp_path / "runs" / "mine", guidances=(4.0,), samples=256)
    monkeypatch.chdir(tmp_path)
    assert "runs/mine/defaults.yaml" in Page(rendered(run)).text
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    text = Page(rendered(run)).text
    assert "defaults.yaml" in text
    assert str(tmp_path) not in text
