from dataclasses import replace

import numpy as np
import pytest

from benchmarks.scaling_law import Folder, Point, Sweep, Worker, fitted, makespan_s

EVEN = Sweep(cells=3, pieces=10, piece_s=2.0, score_s=0.0, is_even=True)


@pytest.mark.parametrize("workers", [1, 4, 7, 29, 30, 40])
def test_equal_pieces_without_latency_take_whole_rounds(workers):
    rounds = -(-30 // workers)
    assert makespan_s(EVEN, workers)[0] == pytest.approx(2 * rounds)


def test_start_and_end_are_added():
    seconds, ideal = makespan_s(replace(EVEN, start_s=5.0, end_s=3.0), 30)
    assert seconds == pytest.approx(5 + 2 + 3)
    assert ideal == pytest.approx(2)


def test_one_worker_pays_for_every_operation_on_the_folder():
    slow = replace(EVEN, operation_s=0.01)
    # A turn; a cell: looked at, listed twice, scored; a piece: taken, listed, stored, released.
    operations = 1 + 3 * (2 + 2 + 13) + 30 * 14
    seconds, _ = makespan_s(slow, 1)
    assert seconds == pytest.approx(60 + 0.01 * operations, abs=0.1)


def test_one_worker_reads_blocks_before_it_scores():
    sweep = replace(EVEN, blocks=2, block_s=0.5, score_s=1.0)
    assert makespan_s(sweep, 1)[0] == pytest.approx(60 + 3 * (2 * 0.5 + 1))


def test_blocks_of_the_last_cell_are_shared():
    sweep = replace(EVEN, cells=1, pieces=4, blocks=4, block_s=3.0)
    assert makespan_s(sweep, 4)[0] == pytest.approx(2 + 3, abs=1.0)
    alone = replace(sweep, blocks=0, block_s=0.0, score_s=12.0)
    assert makespan_s(alone, 4)[0] == pytest.approx(2 + 12, abs=1.0)


def test_every_piece_is_made_once_whatever_the_interleaving():
    sweep = Sweep(cells=5, pieces=7, piece_s=1.0, score_s=0.5, operation_s=0.01)
    seconds, ideal = makespan_s(sweep, 8)
    assert seconds > ideal
    assert makespan_s(sweep, 8) == (seconds, ideal)


def test_a_worker_leaves_what_another_holds():
    folder = Folder.of(np.ones((1, 2)))
    folder.held.add((0, 0))
    worker = Worker(replace(EVEN, cells=1, pieces=2), folder, 1.0, 0.0).run()
    for _ in range(4):
        next(worker)
    assert folder.written.tolist() == [[False, True]]
    assert not folder.ended.any()


def test_the_law_is_that_of_its_points():
    def point(workers):
        efficiency = 1 / (1.02 + 30 * workers / 36_000)
        hours = 36_000 / workers / efficiency / 3600
        return Point("case", workers, hours, efficiency)

    law = fitted([point(workers) for workers in (8, 64, 512)])
    assert law.by_piece == pytest.approx(1.02)
    assert law.lost_s == pytest.approx(30)
    assert law.holds_to == 512
    assert law.most_workers(0.95) == int((1 / 0.95 - 1.02) * 36_000 / 30)
