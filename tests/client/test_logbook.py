from __future__ import annotations

import pytest

from backend.contract import AnswerMessage, Choice, Completion, Stage
from backend.services import VQA
from client.clock import Clock
from client.events import Cancelled, Done, Failed, Queued, Running, Starting, Waiting
from client.logbook import KEPT_JOBS, LOST_AFTER_S, Logbook, Phase


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def logbook(time: Time) -> Logbook:
    return Logbook(VQA, Clock(now=time))


def done(call_id: str = "fc-1") -> Done:
    choices = [Choice(message=AnswerMessage(content="A dam."))]
    return Done(call_id, Completion(id="chatcmpl-fc-1", model=VQA.model, choices=choices))


def play(logbook: Logbook, time: Time, *story: tuple[float, object]) -> None:
    for passed_s, event in story:
        time.now += passed_s
        logbook.heard(event)  # type: ignore[arg-type]


def submit(logbook: Logbook, time: Time, call_id: str = "fc-1", took_s: float = 0.5) -> None:
    time.now += took_s
    logbook.submitted(call_id, time.now - took_s)


def test_a_watched_job_is_told_apart_into_its_phases(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    play(logbook, time, (1, Queued("fc-1")), (1, Queued("fc-1")), (1, Starting("fc-1")))
    play(logbook, time, (1, Starting("fc-1")), (1, Running("fc-1")), (1, Running("fc-1")), (0.5, done()))
    assert logbook.ended[0].seconds == {Phase.SUBMIT: 0.5, Phase.QUEUE: 3, Phase.START: 2, Phase.RUN: 1.5}
    assert logbook.ended[0].total_s == 7


def test_a_service_that_tells_nothing_gives_one_wait(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    play(logbook, time, (2, Waiting("fc-1")), (2, Waiting("fc-1")), (1, done()))
    assert logbook.ended[0].seconds == {Phase.SUBMIT: 0.5, Phase.WAIT: 5}


def test_a_held_poll_does_not_turn_running_into_queueing(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    play(logbook, time, (0, Queued("fc-1")), (20, done()))
    assert logbook.ended[0].seconds == {Phase.SUBMIT: 0.5, Phase.WAIT: 20}


def test_a_job_is_in_flight_until_its_end_is_heard(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    submit(logbook, time, "fc-2")
    assert [job.call_id for job in logbook.in_flight()] == ["fc-1", "fc-2"]
    play(logbook, time, (1, Cancelled("fc-1")), (1, Failed("fc-2", "Out of memory")))
    assert logbook.in_flight() == []
    assert [job.stage for job in logbook.ended] == [Stage.CANCELLED, Stage.FAILED]


def test_a_job_that_nobody_asks_for_is_not_in_flight_for_ever(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    time.now += LOST_AFTER_S + 1
    assert logbook.in_flight() == []


def test_a_job_of_an_earlier_process_is_counted_from_its_submission(logbook: Logbook, time: Time) -> None:
    play(logbook, time, (0, Running("fc-1", elapsed_s=40)))
    assert logbook.in_flight()[0].began_at == time.now - 40


def test_looking_up_an_old_answer_says_nothing_of_the_gpu(logbook: Logbook, time: Time) -> None:
    play(logbook, time, (0, done()))
    assert logbook.answered_at is None
    assert len(logbook.ended) == 0


def test_answers_close_together_keep_the_gpu_warm_and_a_long_pause_does_not(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    play(logbook, time, (1, done()))
    first = time.now
    time.now += VQA.scaledown_s - 10
    submit(logbook, time)
    play(logbook, time, (1, done()))
    assert logbook.warm_since == first
    time.now += VQA.scaledown_s + 10
    submit(logbook, time)
    play(logbook, time, (1, done()))
    assert logbook.warm_since == logbook.answered_at == time.now


def test_a_failure_does_not_make_a_gpu_warm(logbook: Logbook, time: Time) -> None:
    submit(logbook, time)
    play(logbook, time, (1, Failed("fc-1", "Out of memory")))
    assert logbook.answered_at is None


def test_only_the_last_jobs_are_kept(logbook: Logbook, time: Time) -> None:
    for number in range(KEPT_JOBS + 10):
        submit(logbook, time, f"fc-{number}")
        play(logbook, time, (1, done(f"fc-{number}")))
    assert len(logbook.ended) == KEPT_JOBS
    assert logbook.ended[-1].call_id == f"fc-{KEPT_JOBS + 9}"
