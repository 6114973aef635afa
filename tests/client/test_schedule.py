"""The poll schedule: what it learns from jobs, and what it makes of it."""

from __future__ import annotations

import random
from statistics import mean

from client.schedule import MAX_INTERVAL_S, MIN_INTERVAL_S, JobTime, PollSchedule, cheapest_poll_s, explain


def run_job(schedule: PollSchedule, job_s: float) -> tuple[float, int]:
    """Polls a job to its end. Returns the time lost, in seconds, and the number of polls."""
    age_s, polls = 0.0, 0
    while True:
        pending_s = age_s
        age_s += schedule.next_poll_s(age_s)
        polls += 1
        if age_s >= job_s:
            schedule.learn(pending_s, age_s)
            return age_s - job_s, polls


def test_jobs_that_may_have_taken_the_same_time_are_taken_to_have_done_so() -> None:
    assert explain([(0.9, 1.3), (0.0, 1.1), (1.0, 2.0)]) == [JobTime(1.0, 1.1, 3)]


def test_jobs_that_cannot_have_taken_the_same_time_are_told_apart() -> None:
    times = explain([(0.9, 1.1), (2.9, 3.2), (0.8, 1.2)])
    assert [(time.over_s, time.within_s, time.jobs) for time in times] == [(0.9, 1.1, 2), (2.9, 3.2, 1)]


def test_a_job_time_that_is_well_known_is_polled_behind() -> None:
    assert JobTime(0.99, 1.0, 3).aim_s == 1.0


def test_a_job_time_that_is_little_known_is_halved() -> None:
    assert JobTime(1.0, 3.0, 1).aim_s == 2.0


def test_two_kinds_of_jobs_far_apart_are_polled_one_after_the_other() -> None:
    quick, slow = JobTime(0.99, 1.0, 5), JobTime(9.9, 10.0, 5)
    assert cheapest_poll_s([quick, slow], age_s=0.0) == quick.aim_s
    assert cheapest_poll_s([slow], age_s=1.0) == slow.aim_s


def test_rare_job_times_close_to_a_common_one_share_its_poll() -> None:
    rare, common = JobTime(9.98, 10.0, 1), JobTime(10.05, 10.1, 30)
    assert cheapest_poll_s([rare, common], age_s=0.0) == common.aim_s


def test_a_service_that_becomes_quicker_is_found_out() -> None:
    schedule = PollSchedule(random.Random(2).random)
    for _ in range(10):
        run_job(schedule, 4.0)
    lost = [run_job(schedule, 1.0)[0] for _ in range(60)]
    assert mean(lost[:5]) > 1.0
    assert mean(lost[-20:]) <= 0.2


def test_a_service_that_becomes_slower_is_found_out() -> None:
    schedule = PollSchedule(random.Random(3).random)
    for _ in range(10):
        run_job(schedule, 1.0)
    ends = [run_job(schedule, 4.0) for _ in range(60)]
    assert mean(polls for _, polls in ends[-20:]) < mean(polls for _, polls in ends[:5])
    assert mean(lost for lost, _ in ends[-20:]) <= 0.5


def test_jobs_of_varying_length_lose_a_bounded_share_of_their_time() -> None:
    chance = random.Random(4)
    schedule = PollSchedule(chance.random)
    ends = [(job_s, *run_job(schedule, job_s)) for job_s in (chance.uniform(2, 4) for _ in range(200))]
    assert mean(lost / job_s for job_s, lost, _ in ends[20:]) <= 0.3
    assert mean(polls for _, _, polls in ends[20:]) <= 6


def test_intervals_stay_within_their_bounds_whatever_was_learnt() -> None:
    chance = random.Random(5)
    schedule = PollSchedule(chance.random)
    for _ in range(300):
        schedule.learn(*sorted((chance.expovariate(0.1), chance.expovariate(0.1))))
        interval_s = schedule.next_poll_s(chance.uniform(0.01, 60))
        assert MIN_INTERVAL_S <= interval_s <= MAX_INTERVAL_S


def test_the_usual_job_time_is_known_after_the_first_job() -> None:
    schedule = PollSchedule(random.Random(6).random)
    assert schedule.typical_s is None
    schedule.learn(0.98, 1.0)
    assert schedule.typical_s == 1.0
