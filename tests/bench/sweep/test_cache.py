"""Step caches as an axis of a sweep."""

import numpy as np
import pandas as pd
import pytest
import yaml

from denoisebench.bench.caches.catalogue import CACHES
from denoisebench.bench.caches.configs import APPLY
from denoisebench.bench.paths import conf_group
from denoisebench.bench.records.run import load_run
from tests.helpers.cli import call, dry_rows, model_at, tiny
from tests.helpers.tiny_pipelines import save_tiny

_QUIET = ("metrics=none", "latency.timed_runs=0")
_PNDM = ("scheduler=pndm", "steps=4")
_CUT = ("task=img2img", "strength=0.5")
FLOW = ("model=shapes-flow", "metrics=none", "latency.timed_runs=0")


@pytest.fixture
def flux(tmp_path):
    """Overrides for a tiny FLUX: caches that look at the batch fail on shapes-flow, an SD3."""
    folder = save_tiny("flux-dev", tmp_path)
    model = ("model=flux-dev", *model_at(folder), "model.dtype=float32", "model.variant=null")
    return (*model, "prompts=shapes")


@pytest.mark.parametrize("name", sorted(CACHES))
def test_files_and_catalogue_say_the_same(name):
    written = yaml.safe_load(conf_group("cache").joinpath(f"{name}.yaml").read_text())
    assert written == {"name": name} | {
        option: facts.default for option, facts in CACHES[name].options.items()
    }


@pytest.mark.slow
def test_no_cache_is_the_cell_of_before(tmp_path, capsys):
    keys = []
    for more in ((), ("cache=none", "compile=off", "precision=float32")):
        assert call(capsys, *tiny(tmp_path, *FLOW, *more))[0] == 0
        keys += pd.read_csv(tmp_path / "tiny" / "results.csv")["key"].tolist()
    assert len(keys) == 2
    assert len({*keys}) == 1


def test_options_are_an_axis_of_the_caches_that_have_them(tmp_path, capsys):
    more = ("cache=none,taylorseer", "cache.interval=2,3", "steps=8", "dry_run=true")
    code, out, err = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 0, err
    names = [
        row[0].removeprefix("shapes-flow, flow_euler, 8 steps, guidance 1") for row in dry_rows(out)
    ]
    assert names == ["", ", taylorseer interval 2", ", taylorseer interval 3"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("cache=taylorser",), "cache=taylorser: unknown; did you mean taylorseer"),
        (("cache.threshold=1",), "cache.threshold: no option of cache=none; it takes none"),
        (("cache=taylorseer", "cache.intervall=2"), "did you mean interval?"),
        (("cache=taylorseer", "cache.interval=0"), "cache.interval=0: give 1 or more"),
        (("cache=taylorseer", "scheduler=flow_heun"), "the scheduler makes 2 a step"),
        (("cache=taylorseer", "compile=regional"), "within what is compiled; use compile=off"),
        (("cache=first_block", "compile=full"), "use compile=regional or off"),
        (("cache=pyramid", "guidance=4", "guidance_interval=0.1,0.5"), "leave one of them out"),
        (
            ("model=shapes-ddpm", "cache=taylorseer", "scheduler=ddim"),
            "the denoiser is a UNet2DConditionModel; use cache=none",
        ),
        (
            ("model=gaussian", "prompts=components", "metrics=exact", "cache=sea"),
            "gaussian has no transformer blocks to skip",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line(overrides, message, tmp_path, capsys):
    code, _, err = call(capsys, *tiny(tmp_path, *FLOW, *overrides, "dry_run=true"))
    assert code == 2
    assert message in err


def model_of(name, folder):
    folder = save_tiny(name, folder)
    as_saved = ("model.dtype=float32", "model.variant=null", "prompts=shapes")
    return (f"model={name}", *model_at(folder), *as_saved, "dry_run=true")


@pytest.mark.parametrize(
    ("model", "overrides", "message"),
    [
        ("qwen-image", ("cache=pyramid",), "cache=pyramid, guidance=4"),
        ("qwen-image", ("cache=faster",), "the unconditional one is given attention of the cond"),
        ("qwen-image", ("cache=pyramid", "guidance=1"), ""),
        ("qwen-image", ("cache=taylorseer",), ""),
        ("z-image", ("cache=pyramid",), ""),
        ("flux-schnell", ("cache=faster", "guidance=0"), ""),
        ("flux-schnell", ("cache=faster", "cache.below=950"), "keep cache.below at 900 or less"),
        ("flux-schnell", ("cache=faster", *_CUT), "cache=faster, strength=0.5"),
        ("flux-schnell", ("cache=pyramid", *_CUT), ""),
        ("flux-schnell", ("cache=magcache", "cache.ratios=flux", *_CUT), "use cache.ratios=calib"),
        ("flux-schnell", ("cache=magcache", *_CUT), ""),
        ("flux-schnell", ("cache=magcache", "cache.ratios=flux"), ""),
        ("pixart-sigma", ("cache=faster", "cache.below=1000", "scheduler=ddim"), ""),
        ("pixart-sigma", ("cache=magcache", "cache.ratios=flux", *_PNDM), "pndm: they"),
    ],
)
def test_runs_that_a_cache_gets_wrong_are_refused(model, overrides, message, tmp_path, capsys):
    scheduler = () if model == "pixart-sigma" else ("scheduler=flow_euler",)
    asked = (*model_of(model, tmp_path), "guidance=4", "negative_prompt=a", *scheduler, *overrides)
    code, _, err = call(capsys, *tiny(tmp_path, *_QUIET, *asked))
    assert code == (2 if message else 0), err
    assert message in err


def test_a_corner_of_a_grid_that_a_cache_miscounts_is_a_row(tmp_path, capsys):
    more = ("cache=none,taylorseer", "scheduler=flow_euler,flow_heun", "dry_run=true")
    code, out, _ = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 0
    assert ["unsupported" in row for row in dry_rows(out)] == [False, False, False, True]


def _images(capsys, folder, *overrides):
    """Of the run's cells with a cache, by their name."""
    code, _, err = call(capsys, *tiny(folder, *FLOW, "steps=6", "guidance=4", *overrides))
    assert code == 0, err
    run = load_run(folder / "tiny")
    return {
        entry.cell.cache: run.store.read(entry.cell.key, "images", entry.samples)["images"]
        for entry in run.entries
    }


@pytest.mark.long
@pytest.mark.slow
def test_a_sample_does_not_depend_on_its_batch(flux, tmp_path, capsys):
    """Sea looks at the whole batch, so its samples are made alone; taylorseer counts."""
    more = (*flux, "cache=none,sea,taylorseer", "cache.threshold=2,50", "cache.interval=2")
    alone = _images(capsys, tmp_path / "a", *more, "batch_size=1")
    together = _images(capsys, tmp_path / "b", *more, "batch_size=8")
    assert alone.keys() == together.keys()
    for cache, images in alone.items():
        assert np.abs(images.astype(int) - together[cache]).max() <= 1, cache  # rounding alone
    assert len({images.tobytes() for images in alone.values()}) >= 3  # sea skips, too


@pytest.mark.slow
def test_a_cell_says_that_its_samples_are_made_alone(flux, tmp_path, capsys):
    more = (*flux, "cache=none,sea,taylorseer", "batch_size=4", "dry_run=true")
    _, out, err = call(capsys, *tiny(tmp_path, *FLOW, *more))
    (warning,) = [line for line in (out + err).splitlines() if "from a whole batch" in line]
    assert "sea threshold 0.25" in warning
    assert "taylorseer" not in warning


@pytest.mark.slow
def test_a_cache_that_never_hits_is_a_duplicate_with_its_own_time(tmp_path, capsys):
    more = ("cache=taylorseer", "cache.interval=1,2", "latency.timed_runs=1", "steps=6")
    code, out, err = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 0, err
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv").set_index("cache")
    assert frame["idle_cache"].to_dict() == {
        "taylorseer interval 1": True,
        "taylorseer interval 2": False,
    }
    assert frame["latency_p50_s"].gt(0).all()
    assert "A cache never hit in the first images" in out + err


@pytest.mark.slow
def test_a_cache_that_cannot_go_on_a_loaded_network_fails_its_cell_alone(
    tmp_path, capsys, monkeypatch
):
    def refuse(network, config):
        raise ValueError("no such blocks")

    monkeypatch.setitem(APPLY, "taylorseer", refuse)
    more = ("cache=taylorseer,none", "samples=2")
    code, _, _ = call(capsys, *tiny(tmp_path, *FLOW, *more))
    assert code == 1
    frame = pd.read_csv(tmp_path / "tiny" / "results.csv").set_index("cache")
    assert frame["status"].to_dict() == {"taylorseer interval 5": "failed", "none": "done"}
    (message,) = frame["message"].dropna()
    assert message == "cache=taylorseer: cannot go on SD3Transformer2DModel: no such blocks"


@pytest.mark.slow
def test_ratios_of_a_model_are_measured_once_and_kept(tmp_path, capsys):
    first = _images(capsys, tmp_path, "cache=magcache", "cache.threshold=0.5", "samples=4")
    (record,) = tmp_path.rglob("ratios*.json")
    again = _images(capsys, tmp_path, "cache=magcache", "cache.threshold=0.5", "samples=8")
    assert [record] == list(tmp_path.rglob("ratios*.json"))
    ((cache, images),) = first.items()
    assert (again[cache][:4] == images).all()


@pytest.mark.slow
def test_races_are_run_within_a_cache_and_gates_hold_one_against_none(tmp_path, capsys):
    cached = ("cache=taylorseer", "cache.interval=2", "cache.warmup=1")
    shown = ("metrics=shapes", "metrics.images=[]", "metrics.reference_samples=256")
    fewer = ("~margins.gating.fd", "~margins.gating.fd_shapes", "latency.timed_runs=0")
    common = ("model=shapes-flow", "guidance=4", "steps=2,8", "samples=64", "batch_size=32")
    grid = (f"runs={tmp_path}", "tracking=none", "threads=1", *common, *shown, *fewer)
    race = (*cached, "cache=none,taylorseer", "sampling=race", "sampling.first=32")
    code, out, err = call(capsys, "sweep", *grid, "run=race", *race)
    assert code == 0, err
    assert "shapes-flow, guidance 4, taylorseer interval 2 warmup 1: 32 samples" in out
    assert "default of shapes-flow, no cache by CLIP" in out
    assert {race.over for race in load_run(tmp_path / "race").races} == {True}
    defaults = yaml.safe_load((tmp_path / "race" / "defaults.yaml").read_text())["defaults"]
    assert [default["held"] for default in defaults] == [
        {"cache": "none"},
        {"cache": "taylorseer interval 2 warmup 1"},
    ]
    assert defaults[1]["cache_options"]["interval"] == 2
    assert defaults[1]["guidance_form"] == "standard"
    for run, more in (("plain", ()), ("cached", cached)):
        assert call(capsys, "sweep", *grid, f"run={run}", *more)[0] == 0
    sides = ("--baseline", tmp_path / "plain", "--candidate", tmp_path / "cached")
    code, _, err = call(capsys, "check", *sides)
    assert code == 2
    assert "which differ in cache: give --by=scheduler,steps,guidance" in err
    code, out, _ = call(capsys, "check", *sides, "--by=scheduler,steps,guidance")
    assert code == 1
    assert "cache: none before, taylorseer interval 2 warmup 1 now" in out
    assert "cache_options" not in out
