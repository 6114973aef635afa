"""Waiting for a job: when the service is asked, and what the caller hears."""

from __future__ import annotations

import itertools
import random
from statistics import mean

import httpx
import pytest

from client.errors import WaitTimeout
from client.events import Done, JobEvent, Queued, Running, Starting, Unreachable, Waiting
from client.jobs import Job, JobClient
from tests.client.asking import question
from tests.client.scripted_service import ScriptedService, VirtualTime


async def events_of(job: Job, live: bool = False) -> list[JobEvent]:
    return [event async for event in job.events(live=live)]


async def lost_times(client: JobClient, service: ScriptedService, jobs: int) -> list[float]:
    lost = []
    for _ in range(jobs):
        await (await client.submit(question())).result()
        lost.append(service.age_s - service.job_s)
    return lost


def gaps_of(times: list[float]) -> list[float]:
    return [later - sooner for sooner, later in itertools.pairwise(times)]


async def test_a_service_that_holds_polls_is_asked_once_per_25_seconds_and_heard_at_once() -> None:
    service = ScriptedService(job_s=60, holds=True)
    lost = await lost_times(service.client(), service, 1)
    assert service.polled_at == [0, 25, 50]
    assert lost == [0]


@pytest.mark.parametrize("job_s", [0.3, 1, 3, 10])
async def test_after_three_jobs_little_time_is_lost_with_few_polls(job_s: float) -> None:
    time = VirtualTime(chance=random.Random(1).random)
    service = ScriptedService(time, job_s=job_s)
    client = service.client()
    await lost_times(client, service, 3)
    lost, polls = [], []
    for _ in range(20):
        service.polled_at.clear()
        lost += await lost_times(client, service, 1)
        polls.append(len(service.polled_at))
    assert mean(lost) <= 0.1 * job_s + 0.1
    assert max(polls) <= 6


async def test_a_service_that_answers_at_once_is_asked_every_quarter_of_a_second_to_every_5_seconds() -> None:
    service = ScriptedService(job_s=120)
    await lost_times(service.client(), service, 1)
    gaps = gaps_of(service.polled_at)
    assert min(gaps) >= 0.25
    assert max(gaps) <= 5.0


async def test_a_pending_answer_that_asks_for_a_pause_gets_it() -> None:
    service = ScriptedService(job_s=9, pending_headers={"Retry-After": "4"})
    await lost_times(service.client(), service, 1)
    gaps = gaps_of(service.polled_at)
    assert min(gaps) >= 4


async def test_a_service_that_holds_is_not_slowed_down_by_the_pause_it_asks_of_others() -> None:
    service = ScriptedService(job_s=60, holds=True, pending_headers={"Retry-After": "2"})
    assert await lost_times(service.client(), service, 1) == [0]


async def test_the_text_so_far_comes_at_least_every_half_second_to_somebody_who_watches() -> None:
    service = ScriptedService(job_s=5, holds=True, stages=((0, "queued"), (1, "starting"), (2, "running")))
    job = await service.client().submit(question())
    heard_at, events = [], []
    async for event in job.events(live=True):
        heard_at.append(service.age_s)
        events.append(event)
    kinds = [type(event) for event in events]
    assert list(dict.fromkeys(kinds)) == [Queued, Starting, Running, Done]
    running_at = [at for at, event in zip(heard_at, events, strict=True) if isinstance(event, Running)]
    assert max(gaps_of(running_at)) <= 0.5
    assert max(gaps_of(heard_at)) <= 1.0


async def test_somebody_who_watches_a_silent_service_hears_every_second_that_the_wait_goes_on() -> None:
    service = ScriptedService(job_s=100)
    job = await service.client().submit(question())
    heard_at = [service.age_s async for _ in job.events(live=True)]
    assert max(gaps_of(heard_at)) <= 1.01


async def test_a_timeout_carries_the_call_id_and_the_job_can_be_picked_up_again() -> None:
    service = ScriptedService(job_s=700)
    client = service.client(timeout_s=600)
    job = await client.submit(question())
    with pytest.raises(WaitTimeout) as raised:
        await job.result()
    assert raised.value.call_id == "fc-1"
    assert 599 <= service.age_s <= 606
    assert (await client.job("fc-1").result()).text == "A harbor."


async def test_a_time_limit_of_zero_still_asks_once() -> None:
    service = ScriptedService(job_s=0)
    client = service.client()
    assert (await client.job("fc-1").result(timeout_s=0)).text == "A harbor."
    service.job_s = 1e9
    with pytest.raises(WaitTimeout):
        await client.job("fc-1").result(timeout_s=0)
    assert len(service.polled_at) == 2


async def test_a_timeout_is_a_timeout_error_of_python_too() -> None:
    with pytest.raises(TimeoutError):
        await ScriptedService(job_s=1e9).client().job("fc-1").result(timeout_s=1)


async def test_a_bad_road_is_told_and_the_wait_goes_on() -> None:
    service = ScriptedService(job_s=1)
    job = await service.client().submit(question())
    service.answers = [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(502, text="<html>")]
    events = await events_of(job)
    troubles = [event for event in events if isinstance(event, Unreachable)]
    assert [trouble.attempt for trouble in troubles] == [1, 2, 3]
    assert "Nothing answers at service.test" in troubles[0].message
    assert isinstance(events[-1], Done)


async def test_a_first_job_that_is_late_is_told_to_meet_a_cold_start() -> None:
    service = ScriptedService(job_s=25)
    events = await events_of(await service.client().submit(question()))
    cold = [event for event in events if isinstance(event, Starting)]
    assert cold
    assert all(event.inferred for event in cold)
    assert isinstance(events[0], Waiting)


async def test_a_late_job_of_a_service_that_just_answered_meets_no_cold_start() -> None:
    service = ScriptedService(job_s=1)
    client = service.client()
    await lost_times(client, service, 1)
    service.job_s = 25
    events = await events_of(await client.submit(question()))
    assert not any(isinstance(event, Starting) for event in events)


async def test_a_service_may_be_cold_again_after_its_idle_time() -> None:
    service = ScriptedService(job_s=1)
    client = service.client()
    await lost_times(client, service, 1)
    service.time.now_s += 400
    service.job_s = 25
    events = await events_of(await client.submit(question()))
    assert any(isinstance(event, Starting) and event.inferred for event in events)


async def test_a_service_that_stops_holding_is_not_asked_without_pause() -> None:
    service = ScriptedService(job_s=100, holds=True)
    client = service.client()
    await lost_times(client, service, 1)
    service.holds = False
    service.polled_at.clear()
    await lost_times(client, service, 1)
    gaps = gaps_of(service.polled_at)
    assert min(gaps) >= 0.25
