"""Orders: what a driver writes is what a worker reads; a machine that differs is told so."""

from dataclasses import asdict, replace

import pytest

from denoisebench.bench.commands.hydra import composed
from denoisebench.bench.errors import UserError
from denoisebench.bench.plan.job import resampled
from denoisebench.bench.plan.plan import plan_sweep
from denoisebench.bench.queue.order import Order, Orders, foreign_cells, job_of, task_of, untimed


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    grid = ["scheduler=ddim,euler", "steps=2", "samples=8"]
    folder = tmp_path_factory.mktemp("hydra")
    plan = plan_sweep(composed({"--multirun": ""}, [*grid, f"hydra.sweep.dir={folder}"]))
    return {job.entry.cell.key: job for job in plan.jobs}


@pytest.fixture
def order(jobs):
    cells = {key: asdict(job.entry.cell) for key, job in jobs.items()}
    configs = tuple(job.settings.model_dump(mode="json") for job in jobs.values())
    return Order(1, configs, cells, tuple(map(task_of, jobs.values())))


def test_an_order_is_read_as_it_was_written(tmp_path, order):
    orders = Orders(tmp_path)
    assert orders.read() is None
    orders.write(order)
    assert orders.read() == order


def test_an_order_plans_the_same_cells_again(order):
    again = plan_sweep(order.configs)
    assert {job.entry.cell.key for job in again.jobs} == order.cells.keys()


def test_a_task_that_ended_is_known_to_all_until_the_next_order(tmp_path, order):
    orders, first = Orders(tmp_path), order.tasks[0]
    orders.write(order)
    orders.end(order, first, "done")
    assert orders.ended(order, order.tasks) == {first: "done"}
    later = replace(order, number=2)
    orders.write(later)
    assert orders.ended(later, order.tasks) == {}
    assert orders.ended(order, order.tasks) == {}


def test_a_task_becomes_the_job_it_was_made_of_without_its_times(jobs):
    for job in jobs.values():
        assert job_of(task_of(job), jobs) == untimed(job)
        more = resampled(job, 12, first=4, columns=[*job.metrics][:1])
        assert job_of(task_of(more), jobs).entry == untimed(more).entry


def test_a_machine_that_would_measure_otherwise_is_refused(jobs):
    (job, _) = jobs.values()
    task = replace(task_of(job), status_kind="status_other")
    with pytest.raises(UserError, match="metric networks or references are others"):
        job_of(task, jobs)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("engine", "diffusers 0.1, torch 2.0, cpu, generation 3"),
        ("weights", "another"),
        ("dtype", "bfloat16"),
        ("prompts_hash", "another"),
    ],
)
def test_a_machine_that_would_make_other_images_is_told_why(jobs, order, field, value):
    job, *_ = jobs.values()
    other = replace(job.entry.cell, **{field: value})
    foreign = replace(order, cells={other.key: asdict(other)})
    here = getattr(job.entry.cell, field)
    assert foreign_cells(foreign, jobs) == [f"{field} is {here} here, {value} in the sweep"]
    assert foreign_cells(order, jobs) == []


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}', '{"schema": 2}', "[" * 10_000])
def test_an_order_that_cannot_be_read_is_a_line(tmp_path, content):
    orders = Orders(tmp_path)
    orders.folder.mkdir()
    (orders.folder / "order.json").write_text(content)
    with pytest.raises(UserError, match=r"order.json"):
        orders.read()
