"""Orders: what a driver writes is what a worker reads; a machine that differs is told so."""

import shutil
from dataclasses import asdict, replace

import pytest

from denoisebench.bench.commands.hydra import composed
from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import in_order, resampled
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.plan.trajectory import with_convergence
from denoisebench.bench.queue.driver import grid_of
from denoisebench.bench.queue.order import (
    Order,
    Planned,
    foreign_cells,
    orders_of,
    task_of,
    untimed,
)

SWEEPS = {
    "plain": ["scheduler=ddim,euler", "steps=2", "samples=8"],
    "options of the call": ["steps=2", "samples=8", "++model.call.eta=0,0.5"],
    "no metric": ["steps=2", "samples=8", "metrics=none"],
    "own trajectory": [
        "model=gaussian",
        "steps=2,8",
        "samples=8",
        "++metrics.convergence=[psnr]",
        "++metrics.convergence_steps=8",
        "++metrics.convergence_samples=8",
    ],
}


def planned_sweep(folder, name):
    grid = [*SWEEPS[name], f"hydra.sweep.dir={folder}"]
    return plan_sweep(composed({"--multirun": ""}, grid))


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return planned_sweep(tmp_path_factory.mktemp("hydra"), "plain")


@pytest.fixture
def order(plan):
    return Order(1, "grid", ".", "driver", tuple(map(task_of, plan.jobs)))


def test_an_order_and_its_grid_are_read_as_they_were_written(tmp_path, plan, order):
    orders = orders_of(tmp_path)
    assert orders.read() is None
    order = replace(order, grid=orders.write_grid(grid_of(plan)))
    orders.write(order)
    assert orders.read() == order
    assert orders.grid(order).cells == grid_of(plan).cells


@pytest.mark.parametrize("name", SWEEPS)
def test_a_worker_plans_the_cells_and_the_work_of_the_driver(tmp_path, name):
    plan, orders = planned_sweep(tmp_path / "hydra", name), orders_of(tmp_path)
    order = Order(1, orders.write_grid(grid_of(plan)), ".", "driver", ())
    grid = orders.grid(order)
    again = Planned.of(plan_sweep(grid.configs).jobs)
    assert foreign_cells(grid.cells, again.cells) == []
    for job in in_order(plan.jobs):
        assert again.job_of(task_of(job)).entry == untimed(job).entry


def test_a_task_that_ended_is_known_to_all_until_the_next_order(tmp_path, order):
    orders, first = orders_of(tmp_path), order.tasks[0]
    orders.write(order)
    orders.end(order, first, "done")
    assert orders.ended(order) == {first: "done"}
    assert orders.has_ended(order, first)
    later = replace(order, number=2)
    orders.write(later)
    assert orders.ended(later) == {}
    assert not orders.has_ended(order, first)
    assert orders.last_number() == 2


def test_what_ended_is_not_there_any_more_while_it_is_read(tmp_path, order, monkeypatch):
    orders = orders_of(tmp_path)
    orders.write(order)
    orders.end(order, order.tasks[0], "done")
    shutil.rmtree(orders.place.root / "ended")
    assert orders.ended(order) == {}


def test_a_driver_goes_on_counting_after_an_order_that_cannot_be_read(tmp_path, order):
    orders = orders_of(tmp_path)
    orders.write(replace(order, number=7))
    orders.end(replace(order, number=7), order.tasks[0], "done")
    (orders.place.root / "order.json").write_text("{")
    assert orders.last_number() == 7


def test_a_task_becomes_the_job_it_was_made_of_without_its_times(plan):
    planned = Planned.of(plan.jobs)
    for job in plan.jobs:
        assert planned.job_of(task_of(job)) == untimed(job)
        more = resampled(job, 12, first=4, columns=[*job.metrics][:1])
        assert planned.job_of(task_of(more)).entry == untimed(more).entry


def test_a_race_that_looks_at_all_samples_looks_at_no_trajectory(tmp_path):
    plan = planned_sweep(tmp_path, "own trajectory")
    planned, job = Planned.of(plan.jobs), plan.jobs[0]
    looked_at = resampled(job, job.entry.samples)
    assert planned.job_of(task_of(looked_at)).entry == untimed(looked_at).entry
    whole = with_convergence(looked_at)
    assert planned.job_of(task_of(whole)).entry == untimed(whole).entry


def test_a_machine_that_would_measure_otherwise_is_refused(plan):
    task = replace(task_of(plan.jobs[0]), status_kind="status_other")
    with pytest.raises(UserError, match="metric networks or references are others"):
        Planned.of(plan.jobs).job_of(task)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("engine", "diffusers 0.1, torch 2.0, cpu, generation 3"),
        ("weights", "another"),
        ("dtype", "bfloat16"),
        ("prompts_hash", "another"),
        ("field_of_another_version", "x"),
    ],
)
def test_a_machine_that_would_make_other_images_is_told_why(plan, field, value):
    mine = Planned.of(plan.jobs).cells
    cell = asdict(plan.jobs[0].entry.cell)
    theirs = {**mine, "otherkey": {**cell, field: value}}
    here = cell.get(field)
    assert foreign_cells(theirs, mine) == [f"{field} is {here} here, {value} in the sweep"]
    assert foreign_cells(mine, mine) == []


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}', '{"schema": 2}', "[" * 10_000])
def test_an_order_that_cannot_be_read_is_a_line(tmp_path, content):
    orders = orders_of(tmp_path)
    orders.place.root.mkdir()
    (orders.place.root / "order.json").write_text(content)
    with pytest.raises(UserError, match=r"order.json"):
        orders.read()
