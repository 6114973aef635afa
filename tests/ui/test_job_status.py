from __future__ import annotations

import pytest

from backend.contract import AnswerMessage, Choice, Completion, Stage
from backend.services import CAPTIONING
from client.events import Cancelled, Done, Failed, JobEvent, Queued, Running, Starting, Unreachable, Waiting
from ui.components.job_status import JobCourse, expectation, render_status

COMPLETION = Completion(id="chatcmpl-fc-1", model="m", choices=[Choice(message=AnswerMessage(content="A dam."))])


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def states(course: JobCourse) -> list[str]:
    return [stop.state for stop in course.stops()]


def submitted(clock: Clock) -> JobCourse:
    course = JobCourse.submitting(CAPTIONING, clock=clock)
    clock.now += 1
    course.submitted("fc-1")
    return course


def test_each_step_keeps_its_own_seconds(clock: Clock) -> None:
    course = submitted(clock)
    for event, seconds in ((Queued("fc-1", position=2), 3), (Starting("fc-1"), 20), (Running("fc-1"), 4)):
        course.observe(event)
        clock.now += seconds
    course.observe(Done("fc-1", COMPLETION))
    clock.now += 60
    assert [stop.seconds for stop in course.stops()] == [1, 3, 20, 4, None]
    assert course.total_s() == 28
    assert states(course) == ["past"] * 5


def test_a_warm_gpu_leaves_the_starting_step_out(clock: Clock) -> None:
    course = submitted(clock)
    course.observe(Running("fc-1", partial="A"))
    assert states(course) == ["past", "past", "skipped", "current", "ahead"]
    assert course.stops()[2].remark == "not needed"


def test_a_job_found_again_does_not_invent_what_it_has_not_seen(clock: Clock) -> None:
    course = JobCourse(CAPTIONING, call_id="fc-1", clock=clock)
    assert course.total_s() is None
    course.observe(Running("fc-1", partial="A", elapsed_s=42))
    clock.now += 1
    assert course.total_s() == 43
    assert [stop.seconds for stop in course.stops()] == [None, None, None, 1, None]


@pytest.mark.parametrize("end", [Failed("fc-1", "It broke."), Cancelled("fc-1")])
def test_a_job_that_ends_early_stops_where_it_was(clock: Clock, end: JobEvent) -> None:
    course = submitted(clock)
    course.observe(Starting("fc-1"))
    course.observe(end)
    assert states(course) == ["past", "past", "stopped", "ahead", "ahead"]
    assert course.is_final


def test_a_bad_road_changes_the_words_and_not_the_stage(clock: Clock) -> None:
    course = submitted(clock)
    course.observe(Running("fc-1", partial="A"))
    assert course.observe(Unreachable("fc-1", "The connection broke."))
    assert (course.state, course.note) == (Stage.RUNNING, "The connection broke.")


def test_nothing_new_needs_no_drawing(clock: Clock) -> None:
    course = submitted(clock)
    assert course.observe(Running("fc-1", partial="A"))
    assert not course.observe(Running("fc-1", partial="A dam"))


def test_the_place_in_the_queue_is_told() -> None:
    assert expectation(Queued("fc-1", position=0), CAPTIONING) == "Next in line."
    assert expectation(Queued("fc-1", position=1), CAPTIONING).startswith("1 job ahead.")
    assert expectation(Queued("fc-1", position=7), CAPTIONING).startswith("7 jobs ahead.")


def test_a_cold_start_says_how_long_it_usually_takes() -> None:
    assert "10 to 30 s" in expectation(Starting("fc-1"), CAPTIONING)
    assert "probably" in expectation(Starting("fc-1", inferred=True), CAPTIONING)


def test_a_service_that_says_little_is_told_as_such(clock: Clock) -> None:
    course = submitted(clock)
    course.observe(Waiting("fc-1"))
    assert "Waiting" in render_status(course)


def test_cancel_is_offered_only_while_the_job_goes_on(clock: Clock) -> None:
    course = submitted(clock)
    assert 'data-press="caption-cancel"' in render_status(course, cancel_target="caption-cancel")
    course.observe(Done("fc-1", COMPLETION))
    assert "data-press" not in render_status(course, cancel_target="caption-cancel")
    assert "data-ticking" not in render_status(course)


def test_a_call_id_cannot_bring_markup(clock: Clock) -> None:
    course = JobCourse(CAPTIONING, call_id='"><script>', clock=clock)
    assert "<script>" not in render_status(course)
