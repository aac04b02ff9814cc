"""Models that a service runs, through the real command line, against a server on loopback."""

import json
import signal
import time
import traceback

import pandas as pd
import pytest
from PIL import Image

import denoisebench
from denoisebench import UserError
from denoisebench.bench.hosted import bfl, fetch
from denoisebench.bench.paths.places import place_of
from denoisebench.bench.records.run import load_run
from denoisebench.reports.rows.frame import load_frame
from tests.helpers.cli import call, start, tiny
from tests.helpers.services import KEY, SIZE, serving

MODELS = ("nano-banana-pro", "flux-1.1-ultra")
QUIET = ("tracking=none", "threads=1", "prompts=shapes", "metrics=none")
SCORED = ("metrics=shapes", "margins=default", "metrics.reference_samples=256")


@pytest.fixture
def services(monkeypatch):
    """A server, with keys that it takes in the environment, and no waiting."""
    monkeypatch.setattr(bfl, "POLL_S", 0.01)
    monkeypatch.setattr(fetch, "FIRST_WAIT_S", 0.01)
    for variable in ("GEMINI_API_KEY", "BFL_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    with serving() as services:
        yield services


def words(services, runs, model, *more, samples=8):
    budget = ["hosted.max_usd=5", "hosted.max_images=100"]
    given = [f"runs={runs}", f"samples={samples}", *services.words, *budget, *QUIET, *more]
    return ["sweep", f"model={model}", *given]


def sweep(capsys, services, runs, model=MODELS[0], *more, samples=8):
    return call(capsys, *words(services, runs, model, *more, samples=samples))


@pytest.fixture
def no_report(monkeypatch):
    """Leaves out what follows once images are in the store, which takes seconds."""
    monkeypatch.setattr("denoisebench.bench.commands.sweep.finish", lambda outcome, plan: None)


def rows(folder):
    return load_frame(load_run(folder))


@pytest.mark.parametrize("model", MODELS)
def test_a_hosted_model_is_a_run_like_any_other(services, tmp_path, capsys, model):
    code, out, err = sweep(capsys, services, tmp_path, model, *SCORED)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"report: {tmp_path / model / 'report.html'}"
    (row,) = pd.read_csv(tmp_path / model / "results.csv").to_dict("records")
    assert row["model"] == model
    assert row["status"] == "done"
    assert row["samples"] == 8
    assert row["clip_score_shapes"] > 0
    assert 0 < row["latency_p50_s"] <= row["latency_p95_s"]
    assert row["price_usd"] == {"nano-banana-pro": 0.134, "flux-1.1-ultra": 0.06}[model]
    assert (row["refused_images"], row["lost_images"]) == (0, 0)
    assert (row["width"], row["height"]) == (SIZE, SIZE)
    empty = ("scheduler", "steps", "guidance", "nfe", "network_passes", "executed_steps")
    assert {name: row[name] for name in empty if not pd.isna(row[name])} == {}
    assert services.paid.total() == 8
    parquet = pd.read_parquet(tmp_path / model / "results.parquet")
    assert parquet[["steps", "guidance"]].isna().all(axis=None)


def test_what_is_there_is_not_paid_for_again(services, tmp_path, capsys, monkeypatch):
    sweep(capsys, services, tmp_path)
    monkeypatch.delenv("GEMINI_API_KEY")  # which nothing is needed for by now
    code, out, _ = sweep(capsys, services, tmp_path, MODELS[0], "hosted.confirm=false")
    assert code == 0
    assert "every cell was already in the store" in out
    assert services.paid.total() == 8


def test_more_samples_pay_for_the_further_ones_alone(services, no_report, tmp_path, capsys):
    sweep(capsys, services, tmp_path)
    _, out, _ = sweep(capsys, services, tmp_path, samples=10)
    assert "2 images of 127.0.0.1" in out
    assert services.paid.total() == 10
    assert rows(tmp_path / MODELS[0])["samples"].tolist() == [10]


def test_models_and_options_are_cells_of_one_run(services, no_report, tmp_path, capsys):
    size = "model.call.image_size=1K,4K"
    code, out, _ = sweep(capsys, services, tmp_path, MODELS[0], size, "run=sizes")
    assert code == 0
    assert "nano-banana-pro, image_size=4K: 8 images" in out
    assert "about $1.92 (8 x $0.24, prices of 2026-03-24)" in out
    assert rows(tmp_path / "sizes")["price_usd"].tolist() == [0.134, 0.24]
    assert services.paid.total() == 16


def test_a_dry_run_says_what_it_would_cost_and_sends_nothing(services, no_report, tmp_path, capsys):
    code, out, _ = sweep(capsys, services, tmp_path, MODELS[1], "--dry-run")
    assert code == 0
    assert "flux-1.1-ultra: 8 images of 127.0.0.1" in out
    assert "about $0.48 (8 x $0.06, prices of 2026-11-30)" in out
    assert services.seen.total() == 0
    assert not (tmp_path / MODELS[1]).exists()


def test_nothing_is_sent_before_somebody_says_yes(services, no_report, tmp_path, capsys):
    code, _, err = sweep(capsys, services, tmp_path, MODELS[1], "hosted.confirm=false")
    assert code == 2
    assert "sent again at most $5? Nobody is here to say yes: give hosted.confirm=true" in err
    assert "Spend $0.48" in err
    assert services.seen.total() == 0


@pytest.mark.parametrize(("answer", "code", "paid"), [(True, 0, 8), (False, 2, 0)])
def test_a_terminal_is_asked(
    services, no_report, tmp_path, capsys, monkeypatch, answer, code, paid
):
    questions = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda q, default: questions.append(q) or answer)
    given = words(services, tmp_path, MODELS[1], "hosted.confirm=false")
    assert call(capsys, *given)[0] == code
    (question,) = questions
    assert question.startswith("Prompts go to 127.0.0.1:")
    assert question.endswith("Spend $0.48, and with what is sent again at most $5")
    assert services.paid.total() == paid


def test_a_model_of_a_service_has_no_files_to_look_into(capsys):
    code, _, err = call(capsys, "inspect", "nano-banana-pro")
    assert code == 2
    assert "a service runs it" in err


def test_python_says_that_the_command_alone_asks(capsys):
    with pytest.raises(UserError, match="`denoisebench sweep` alone asks it"):
        denoisebench.sweep(model="nano-banana-pro", tracking="none")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["hosted.max_usd=null"], "hosted.max_usd: is not set"),
        (["hosted.max_images=null"], "hosted.max_images: is not set"),
        (["hosted.max_usd=0.4"], "8 images may cost $0.48, and hosted.max_usd=0.4 allows less"),
        (["hosted.max_images=7"], "hosted.max_images=7 allows fewer"),
        (["steps=4"], "steps=4: means nothing for a hosted model"),
        (["scheduler=ddim,euler"], "scheduler=ddim,euler: means nothing"),
        (["guidance=3"], "guidance=3: means nothing"),
        (["samples=4,8"], "samples: is no axis of hosted models"),
        (["hosted.max_usd=1,2"], "hosted: is no axis"),
        (["model.call.webhook_secret=abc"], "model.call.webhook_secret: is no option of bfl"),
        (["store=s3://bucket/x"], "leave out the bucket"),
        (["prompts=unconditional"], "hosted models are asked in words"),
        (["model.hosted.address=http://a.example"], "would send the key in the clear"),
        (["model=flux-1.1-ultra,shapes-ddpm"], "sweep them apart"),
        (["model.hosted.adress=http://x"], "there is no such setting"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_sent(
    services, no_report, tmp_path, capsys, more, said
):
    code, _, err = sweep(capsys, services, tmp_path, MODELS[1], *more)
    assert code == 2
    assert said in err
    assert services.seen.total() == 0


def test_a_key_that_is_not_there_is_asked_for(services, no_report, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BFL_API_KEY")
    code, _, err = sweep(capsys, services, tmp_path, MODELS[1])
    assert code == 2
    assert "BFL_API_KEY is not set" in err


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("fault", "said"), [("401", "key is not accepted"), ("402", "no credit left")]
)
def test_what_the_user_must_mend_stops_the_run_and_keeps_what_came(
    services, no_report, tmp_path, capsys, model, fault, said
):
    def choose(kind, prompt, number):
        return fault if kind in ("image", "order") and services.paid.total() >= 3 else ""

    services.choose = choose
    code, _, err = sweep(capsys, services, tmp_path, model, "hosted.concurrency=1")
    assert code == 2
    assert said in err
    assert "the same command goes on" in err
    assert services.paid.total() == 3
    services.choose = lambda kind, prompt, number: ""
    assert sweep(capsys, services, tmp_path, model)[0] == 0
    assert services.paid.total() == 8
    assert {*services.paid.values()} == {1}


@pytest.mark.parametrize(
    ("model", "kind", "fault"),
    [
        (MODELS[0], "image", "moderated prompt"),
        (MODELS[0], "image", "moderated image"),
        (MODELS[1], "poll", "Request Moderated"),
        (MODELS[1], "poll", "Content Moderated"),
    ],
)
def test_prompts_that_are_declined_are_counted_and_left_out(
    services, no_report, tmp_path, capsys, model, kind, fault
):
    texts = []

    def choose(of, prompt, number):
        texts.append(prompt)
        return fault if of == kind and prompt == texts[0] else ""

    services.choose = choose
    code, out, _ = sweep(capsys, services, tmp_path, model, "hosted.concurrency=1")
    assert code == 0
    (row,) = rows(tmp_path / model).to_dict("records")
    assert (row["refused_images"], row["lost_images"], row["samples"]) == (1, 0, 7)
    assert f"{model}: of 8 prompts 1 declined" in out
    assert "7 images of 8 are scored" in out
    sent = services.seen["order"] + services.seen["image"]
    assert sweep(capsys, services, tmp_path, model)[0] == 0
    assert services.seen["order"] + services.seen["image"] == sent  # a no is a no
    prompts = load_run(tmp_path / model).entries[0].cell.prompts
    assert prompts == "shapes-7-of-8"


def test_a_prompt_that_one_model_declines_is_scored_of_none(services, no_report, tmp_path, capsys):
    texts = []

    def choose(kind, prompt, number):
        texts.append(prompt)
        last = services.seen["image"] > 4  # of the second cell
        return "moderated prompt" if last and prompt == texts[0] else ""

    services.choose = choose
    size = "model.call.image_size=1K,2K"
    sweep(capsys, services, tmp_path, MODELS[0], size, "hosted.concurrency=1", samples=4)
    table = rows(tmp_path / MODELS[0])
    assert table["refused_images"].tolist() == [0, 1]
    assert table["samples"].tolist() == [3, 3]
    assert len({e.cell.prompts_hash for e in load_run(tmp_path / MODELS[0]).entries}) == 1


@pytest.mark.parametrize(("model", "fault"), [(MODELS[0], "truncated"), (MODELS[1], "cut")])
def test_a_lost_image_is_said_and_paid_for_again_only_when_asked(
    services, no_report, tmp_path, capsys, model, fault
):
    texts = []

    def choose(kind, prompt, number):
        texts.append(prompt)
        is_first = kind in ("image", "order") and prompt == texts[0] and number == 1
        return fault if is_first else ""

    services.choose = choose
    _, out, _ = sweep(capsys, services, tmp_path, model, "hosted.concurrency=1")
    assert f"{model}: of 8 prompts 1 paid for, as far as known, and lost" in out
    assert rows(tmp_path / model)["lost_images"].tolist() == [1]
    sweep(capsys, services, tmp_path, model)
    assert services.paid.total() == 8
    sweep(capsys, services, tmp_path, model, "hosted.resend_lost=true")
    assert services.paid.total() == 9
    assert rows(tmp_path / model)["lost_images"].tolist() == [0]
    assert rows(tmp_path / model)["samples"].tolist() == [8]


def test_a_budget_holds_over_all_calls_of_a_run(services, no_report, tmp_path, capsys):
    sweep(capsys, services, tmp_path, MODELS[1])
    code, _, err = sweep(capsys, services, tmp_path, MODELS[1], "hosted.max_usd=0.5", samples=9)
    assert code == 2
    assert "1 image may cost $0.06 beside $0.48 spent before, and hosted.max_usd=0.5" in err
    assert services.paid.total() == 8


def test_an_image_that_a_kill_left_without_its_line_is_not_bought_again(
    services, no_report, tmp_path, capsys
):
    sweep(capsys, services, tmp_path)
    (journal,) = tmp_path.rglob("journal.jsonl")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"stored"' not in line))
    code, _, _ = sweep(capsys, services, tmp_path, MODELS[0], "hosted.resend_lost=true")
    assert code == 0
    assert services.paid.total() == 8
    assert rows(tmp_path / MODELS[0])["lost_images"].tolist() == [0]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_was_killed_between_payment_and_store_pays_once(
    services, no_report, tmp_path, capsys, model
):
    """The answer to the third request, or to its order, never comes, and the process is killed."""
    kinds = ("image",) if model == MODELS[0] else ("poll",)

    def choose(kind, prompt, number):
        return "hang" if kind in kinds and services.seen[kind] > 2 else ""

    services.choose = choose
    process = start(*words(services, tmp_path, model, "hosted.concurrency=1"))
    deadline = time.monotonic() + 60
    while services.paid.total() < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    while services.seen[kinds[0]] < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    services.choose = lambda kind, prompt, number: ""
    code, out, _ = sweep(capsys, services, tmp_path, model)
    assert code == 0
    assert services.paid.total() == 8
    assert {*services.paid.values()} == {1}
    lost = 1 if model == MODELS[0] else 0  # an order is asked after, an image is not sent twice
    assert rows(tmp_path / model)["lost_images"].tolist() == [lost]
    if lost:
        assert "paid for, as far as known, and lost" in out
        sweep(capsys, services, tmp_path, model, "hosted.resend_lost=true")
        assert services.paid.total() == 9
        assert rows(tmp_path / model)["lost_images"].tolist() == [0]
    else:
        assert "seconds are those of 7 of 8 images" in out


def test_two_sweeps_do_not_spend_from_one_store(services, no_report, tmp_path, capsys):
    with place_of(tmp_path / MODELS[0]).lock("hosted", wait=False, shared=False):
        code, _, err = sweep(capsys, services, tmp_path)
    assert code == 2
    assert "another sweep asks services" in err
    assert services.seen.total() == 0


def test_no_more_requests_are_open_at_once_than_allowed(services, no_report, tmp_path, capsys):
    sweep(capsys, services, tmp_path, MODELS[0], "hosted.concurrency=3", samples=20)
    assert 1 < services.most_at_once <= 3


def test_images_of_several_sizes_are_not_scored_together(services, no_report, tmp_path, capsys):
    sweep(capsys, services, tmp_path)
    (folder,) = (tmp_path / MODELS[0] / "hosted").glob("*/")
    Image.new("RGB", (16, 8)).save(folder / "00003.png")
    code, _, err = sweep(capsys, services, tmp_path)
    assert code == 2
    assert "32x32 (00000.png), 16x8 (00003.png)" in err


def files_with_the_key(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("model", MODELS)
def test_the_key_is_nowhere_but_in_the_environment(services, tmp_path, capsys, model):
    """Not in what a service repeats of it, in its errors, in a traceback, store, page or pack."""
    kinds = iter(["429", "500", "502", "402"])

    def choose(kind, prompt, number):
        return next(kinds, "") if kind in ("image", "order") else ""

    services.choose, said = choose, []
    said += sweep(capsys, services, tmp_path, model, "hosted.concurrency=1")[1:]
    said += sweep(capsys, services, tmp_path, model)[1:]
    said += call(capsys, "pack", tmp_path / model, "-o", tmp_path / "packed.dbpack")[1:]
    said += call(capsys, "report", tmp_path / model)[1:]
    said += sweep(capsys, services, tmp_path, model, "--show-config")[1:]
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"journal.jsonl", "report.html", "config.yaml", "packed.dbpack"} <= names
    (journal,) = tmp_path.rglob("journal.jsonl")
    assert "402" in journal.read_text()  # what the service said is kept
    assert any("402" in text for text in said)
    assert [text for text in said if KEY in text] == []
    assert files_with_the_key(tmp_path) == []


@pytest.mark.slow
def test_the_key_is_in_no_tracker(services, tmp_path, capsys):
    uri = f"tracking.uri=sqlite:///{tmp_path / 'mlflow.db'}"
    given = words(services, tmp_path, MODELS[0], "tracking=mlflow,tensorboard", uri)
    code, out, err = call(capsys, *(word for word in given if word != "tracking=none"))
    assert code == 0
    assert (tmp_path / "mlflow.db").exists()
    assert KEY not in out + err
    assert files_with_the_key(tmp_path) == []


def test_the_key_is_in_no_traceback(services, no_report, tmp_path, capsys, monkeypatch):
    def breaks(self, *arguments, **options):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("httpx.Client.send", breaks)
    with pytest.raises(RuntimeError) as error:
        sweep(capsys, services, tmp_path, MODELS[1])
    lines = traceback.TracebackException.from_exception(error.value, capture_locals=True).format()
    assert KEY not in "".join(line for line in traceback.format_exception(error.value))
    assert "Key(variable='BFL_API_KEY')" in "".join(lines)


def test_a_model_of_the_same_protocol_is_a_file_of_settings(services, no_report, tmp_path, capsys):
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)
    hosted = {"service": "bfl", "address": services.url, "id": "flux-2-pro"}
    hosted |= {"prices": [{"usd": 0.03}], "priced_on": "2026-06-01", "refusals_cost": False}
    settings = {"model": {"name": "flux-2-pro", "hosted": hosted, "call": {"width": 32}}}
    (folder / "flux-2-pro.yaml").write_text(f"# @package _global_\n{json.dumps(settings)}\n")
    services.cost = 3
    given = words(services, tmp_path / "runs", "flux-2-pro", samples=4)
    code, out, err = call(capsys, *given, f"--config-dir={tmp_path / 'conf'}")
    assert (code, err) == (0, "")
    assert "about $0.12 (4 x $0.03, prices of 2026-06-01)" in out
    assert services.bodies[0]["width"] == 32


@pytest.mark.slow
def test_a_hosted_model_is_a_point_beside_local_curves(services, tmp_path, capsys):
    sweep(capsys, services, tmp_path, ",".join(MODELS), *SCORED, "run=hosted")
    code, _, _ = call(capsys, *tiny(tmp_path, "run=local", "steps=2,3", "latency.timed_runs=2"))
    assert code == 0
    both = tmp_path / "both"
    runs = (tmp_path / "local", tmp_path / "hosted", "-o", both)
    code, out, _ = call(capsys, "report", *runs, "--usd-per-hour=3.6")
    assert code == 0
    for cost in ("seconds", "price"):
        drawn = (both / "figures" / f"clip_score_shapes_vs_{cost}.svg").read_text()
        names = ("local: ddim", "hosted: nano-banana-pro", "hosted: flux-1.1-ultra")
        assert [name for name in names if name not in drawn] == []
    steps = (both / "figures" / "clip_score_shapes_vs_steps.svg").read_text()
    assert "local: ddim" in steps
    assert "nano-banana-pro" not in steps
    assert "what a user waits, and no measure of the model" in out
    call(capsys, "report", *runs)
    alone = (both / "figures" / "clip_score_shapes_vs_price.svg").read_text()
    assert "local: ddim" not in alone  # nobody said what the machine costs
    one = tmp_path / "hosted" / "figures" / "clip_score_shapes_vs_price.svg"
    assert "flux-1.1-ultra" in one.read_text()
