"""How many jobs are under way at once, and the circuit breaker."""

from __future__ import annotations

import asyncio

import pytest

from client.circuit import FAILURES_TO_OPEN, Circuit
from client.errors import AccessError, NadirError, ServiceUnreachable
from client.throttle import MOST, START, Throttle
from tests.client.scripted_service import VirtualTime


async def fill(throttle: Throttle) -> None:
    while throttle.under_way < throttle.limit:
        await throttle.take()


async def run_rounds(throttle: Throttle, slots: int, job_s: float, rounds: int) -> None:
    """Plays a service that runs `slots` jobs at once: with more under way, each takes longer (Little's law)."""
    for _ in range(rounds):
        await fill(throttle)
        for _ in range(throttle.limit):
            throttle.note_time(job_s * max(1.0, throttle.limit / slots))


async def test_the_limit_grows_while_jobs_take_no_longer() -> None:
    throttle = Throttle(VirtualTime().clock)
    await run_rounds(throttle, slots=1000, job_s=2.0, rounds=10)
    assert throttle.limit == MOST


async def test_the_limit_settles_where_the_service_is_busy_but_not_flooded() -> None:
    throttle = Throttle(VirtualTime().clock, most=256)
    await run_rounds(throttle, slots=20, job_s=2.0, rounds=60)
    assert 20 <= throttle.limit <= 3 * 20


async def test_the_limit_falls_when_the_service_becomes_slower() -> None:
    throttle = Throttle(VirtualTime().clock)
    await run_rounds(throttle, slots=64, job_s=2.0, rounds=20)
    before = throttle.limit
    await run_rounds(throttle, slots=8, job_s=2.0, rounds=10)
    assert throttle.limit < before


async def test_differences_too_small_to_mean_anything_change_nothing_for_the_worse() -> None:
    throttle = Throttle(VirtualTime().clock)
    for took_s in (0.005, 0.05) * 20:
        for _ in range(throttle.limit):
            throttle.note_time(took_s)
    assert throttle.limit >= START


async def test_a_refusal_lowers_the_limit_once_and_keeps_everybody_waiting_as_long_as_asked() -> None:
    time = VirtualTime()
    throttle = Throttle(time.clock)
    await fill(throttle)
    for _ in range(5):
        throttle.refused(7)
    assert throttle.limit == int(START * 0.7)
    began_s = time.now_s
    await throttle.rest()
    assert time.now_s - began_s == 7


async def test_the_limit_never_falls_below_one() -> None:
    time = VirtualTime()
    throttle = Throttle(time.clock)
    for _ in range(50):
        throttle.refused(1)
        time.now_s += 2
    assert throttle.limit == 1


async def test_no_more_jobs_start_than_the_limit_allows() -> None:
    throttle = Throttle(VirtualTime().clock, most=2)
    await fill(throttle)
    third = asyncio.create_task(throttle.take())
    await asyncio.sleep(0)
    assert not third.done()
    throttle.give_back()
    await third
    assert throttle.under_way == 2


class Service:
    """Fails so many probes, then answers, well or not."""

    def __init__(self, failing_probes: int, answer: NadirError | None = None) -> None:
        self.left = failing_probes
        self.answer = answer
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.left:
            self.left -= 1
            raise ServiceUnreachable("Nothing answers.")
        if self.answer:
            raise self.answer


@pytest.mark.parametrize("answer", [None, AccessError("Who are you?")], ids=["well", "badly"])
async def test_the_circuit_opens_after_failures_in_a_row_and_closes_when_the_service_answers(
    answer: NadirError | None,
) -> None:
    service, changes = Service(failing_probes=4, answer=answer), []
    circuit = Circuit(service.probe, VirtualTime().clock, lambda: changes.append(circuit.reason))
    for _ in range(FAILURES_TO_OPEN):
        await circuit.passage()
        circuit.note_failure(ServiceUnreachable("Nothing answers."))
    await circuit.passage()
    assert changes == ["Nothing answers.", None]
    assert service.probes == 5


async def test_failures_with_successes_between_them_leave_the_circuit_closed() -> None:
    circuit = Circuit(Service(0).probe, VirtualTime().clock)
    for _ in range(3 * FAILURES_TO_OPEN):
        circuit.note_failure(ServiceUnreachable("Nothing answers."))
        circuit.note_success()
    assert circuit.reason is None


async def test_a_service_that_became_slower_for_good_is_used_fully_again() -> None:
    throttle = Throttle(VirtualTime().clock)
    await run_rounds(throttle, slots=20, job_s=1.0, rounds=20)
    await run_rounds(throttle, slots=20, job_s=10.0, rounds=100)
    assert throttle.limit >= 20
