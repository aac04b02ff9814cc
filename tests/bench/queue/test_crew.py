"""Workers that a driver started: who is started again, and when that ends."""

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.queue.crew import MOST_STARTS, Crew
from denoisebench.bench.queue.worker import MOST_LOSSES


class Puppet:
    """A worker whose end the test decides."""

    def __init__(self):
        self.code, self.asked, self.killed = None, False, False

    def poll(self):
        return self.code

    def ends_within(self, seconds):
        return self.code is not None

    def ask_to_end(self):
        self.asked = True

    def kill(self):
        self.killed = True

    def last_line(self):
        return "words"


@pytest.fixture
def crew():
    started, said = [], []

    def start(place):
        started.append(Puppet())
        return started[-1]

    crew = Crew(2, start, said.append)
    crew.started, crew.said = started, said
    crew.start()
    return crew


def test_all_places_are_filled_once(crew):
    crew.start()
    assert len(crew.started) == 2


def test_a_worker_that_dies_is_started_again_and_that_is_said(crew):
    crew.started[0].code = -9
    crew.tend(is_helped=False)
    assert len(crew.started) == 3
    (line,) = crew.said
    assert line == "a worker ended and is started again: killed by signal 9, after: words"


def test_a_user_s_error_is_not_tried_again(crew):
    for puppet in crew.started:
        puppet.code = 2
    with pytest.raises(UserError, match="no worker is left: words"):
        crew.tend(is_helped=False)
    assert len(crew.started) == 2


def test_others_who_help_keep_a_sweep_going(crew):
    for puppet in crew.started:
        puppet.code = 2
    crew.tend(is_helped=True)


def all_die(crew):
    for puppet in crew.started:
        puppet.code = -9
    crew.tend(is_helped=False)


def test_workers_that_only_die_are_given_up_after_more_deaths_than_a_piece_may_cause(crew):
    assert MOST_STARTS > MOST_LOSSES
    for _ in range(MOST_STARTS - 1):
        all_die(crew)
    with pytest.raises(UserError, match="no worker is left"):
        all_die(crew)
    assert len(crew.started) == 2 * MOST_STARTS


def test_deaths_are_forgotten_once_something_was_done(crew):
    for _ in range(3 * MOST_STARTS):
        crew.started[-1].code = -9
        crew.tend(is_helped=False)
        crew.forgive()


def test_all_are_asked_before_any_is_killed(crew):
    crew.started[0].code = 130
    crew.stop()
    assert [puppet.asked for puppet in crew.started] == [True, True]
    assert [puppet.killed for puppet in crew.started] == [False, True]
