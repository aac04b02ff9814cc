"""Which metrics lead: the page, the tables and the defaults speak of the same ones."""

from dataclasses import replace

import pytest

from denoisebench.bench.records.run import save_run
from denoisebench.metrics.built_in import MetricSpec
from denoisebench.metrics.specs import OWN, declare, leading
from denoisebench.reports.decide.no_default import no_default
from denoisebench.reports.report import content_of
from denoisebench.reports.rows.frame import frame_metrics, load_estimates, load_frame
from denoisebench.reports.rows.summary import summary_table
from denoisebench.reports.rows.table import cells_table
from tests.helpers.fake_run import CLIP, FD, fabricate

WARMTH, SSIM, PSNR = "warmth", "ssim_converged", "psnr_converged"


@pytest.fixture(autouse=True)
def _warmth():
    declare(WARMTH, MetricSpec("Warmth", "", "higher", "how warm an image is"))
    yield
    OWN.pop(WARMTH)


@pytest.mark.parametrize(
    ("metrics", "gating", "lead"),
    [
        ([FD, CLIP, SSIM], [FD], [FD, CLIP]),
        ([FD, CLIP, SSIM], [], [FD, CLIP]),
        ([FD, WARMTH, SSIM], [WARMTH, SSIM], [FD, WARMTH]),
        ([WARMTH, SSIM, PSNR], [SSIM], [WARMTH, SSIM]),  # no one decides but closeness
        ([WARMTH, SSIM], [], [WARMTH]),
        ([SSIM, PSNR], [], [SSIM, PSNR]),
        ([SSIM, PSNR], [SSIM], [SSIM]),
        (["psnr_input", WARMTH], ["psnr_input"], [WARMTH]),
    ],
)
def test_what_decides_leads_beside_what_names_a_best_cell(metrics, gating, lead):
    assert leading(metrics, gating) == lead
    decide_by = [name for name in lead if name in gating]
    assert leading(gating, gating) == decide_by or not gating


def measured(tmp_path, metrics, *, without=(), **grid):
    """A fabricated run by other metrics, which are its CLIP scores under their names; without:
    those that no cell has."""
    run = fabricate(tmp_path / "run", samples=256, guidances=(4.0,), **grid)
    status = {"status": "unscored", "message": "warmth raised ValueError: cold"}
    status = {**(status if without else {"status": "done", "message": ""}), "traceback": ""}
    entries = [replace(entry, metrics={name: name for name in metrics}) for entry in run.entries]
    for entry in entries:
        record = run.store.read_record(entry.cell.key, CLIP)
        for name in {*metrics} - {*without}:
            run.store.write_record(entry.cell.key, name, record)
        run.store.write_record(entry.cell.key, entry.status_kind, status)
    run = replace(run, entries=entries)
    save_run(run)
    return run


def reported(run):
    """The frame and what the page shows."""
    frame = load_frame(run)
    estimates = {metric: load_estimates(run, metric) for metric in frame_metrics(frame)}
    return frame, content_of(run, frame, estimates)


def test_a_metric_without_a_margin_leads_nothing_that_closeness_decides(tmp_path):
    run = measured(tmp_path, [WARMTH, SSIM])
    run = replace(run, margins={SSIM: {"absolute": 0.5}})
    frame, content = reported(run)
    assert {r.target for r in content.decisions.recommendations} == {SSIM}
    assert content.observations[SSIM]  # "At a glance" has the default
    assert content.observations[SSIM][0].default is not None
    assert content.returns[SSIM]
    assert len(content.figures[SSIM]) > 1  # drawn in full
    gating = content.decisions.gates
    shown = [column.full_title for column in cells_table(frame, gating) if column.is_shown]
    assert {"Warmth", "SSIM to convergence"} <= {*shown}
    headings = [str(column.header) for column in summary_table(frame, gating).columns]
    assert {"Warmth ↑", "SSIM to convergence ↑"} <= {*headings}


def test_a_metric_that_decides_and_that_no_cell_has_is_named_with_what_to_do(tmp_path):
    run = measured(tmp_path, [WARMTH, FD], without=[WARMTH])
    run = replace(run, margins={WARMTH: {"absolute": 0.5}, FD: {"absolute": 2.0}})
    frame, content = reported(run)
    assert content.decisions.recommendations == []
    text = no_default(run, frame)
    assert text.startswith("Warmth decides too, as it has a margin, and no cell has all")
    assert "(warmth raised ValueError: cold)" in text
    assert "mend the metric and run the same command again" in text


def test_what_would_choose_and_has_no_margin_is_named(tmp_path):
    run = replace(measured(tmp_path, [WARMTH]), margins={})
    text = no_default(run, load_frame(run))
    assert text.startswith("Warmth would choose, but nothing has a margin")
    assert text.endswith("margins.gating.warmth.absolute=…")


@pytest.mark.parametrize(
    ("column", "value", "has_captions"),
    [
        ("prompts", "shapes", True),
        ("prompts", "unconditional", False),
        ("vendor_shows_by", "class_labels", False),
        ("vendor_shows_by", "", False),
    ],
)
def test_clip_is_spoken_of_where_there_are_captions_alone(tmp_path, column, value, has_captions):
    run = replace(measured(tmp_path, [PSNR]), margins={})
    text = no_default(run, load_frame(run).assign(**{column: value}))
    assert ("CLIP" in text) == has_captions
    assert "reference images or a metric of your own" in text


def test_a_run_that_lost_every_cell_says_so(tmp_path):
    grid = {"schedulers": ("ddim",), "steps": (2,), "guidances": (4.0,)}
    run = fabricate(tmp_path / "lost", **grid, failed=[("ddim", 2)])
    assert no_default(run, load_frame(run)) == "every cell failed"
