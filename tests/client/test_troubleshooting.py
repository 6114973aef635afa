from __future__ import annotations

import pytest

from backend.contract import Health, Stage
from backend.services import CAPTIONING
from client.clock import Clock
from client.errors import AccessError, NadirError, ProtocolError, ServiceBusy, ServiceUnreachable
from client.events import Cancelled, Expired, Failed, JobEvent, Queued, Running
from client.logbook import Logbook
from client.troubleshooting import ADVICE, diagnose

WELL = Health(model=CAPTIONING.model, engine="vllm")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def logbook_of(*events: JobEvent, later_s: float = 0.0) -> Logbook:
    time = Time()
    logbook = Logbook(CAPTIONING, Clock(now=time))
    logbook.submitted("fc-1", 0.0)
    for event in events:
        logbook.heard(event)
    time.now = later_s
    return logbook


def titles(logbook: Logbook, error: NadirError | None = None, health: Health | None = WELL) -> list[str]:
    return [advice.title for advice in diagnose(CAPTIONING, logbook, error, health)]


def test_a_service_that_is_well_gets_no_advice() -> None:
    assert titles(logbook_of(Running("fc-1"))) == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ServiceUnreachable("Nothing answers at example.org."), "unreachable"),
        (AccessError("example.org wants credentials."), "access"),
        (ProtocolError("example.org is something else."), "protocol"),
        (ServiceBusy("Its queue is full."), "busy"),
    ],
)
def test_each_trouble_on_the_road_has_its_own_advice(error: NadirError, kind: str) -> None:
    [advice] = diagnose(CAPTIONING, logbook_of(Running("fc-1")), error, None)
    assert advice.title == ADVICE[kind].title
    assert advice.said == str(error)


def test_what_a_service_says_of_itself_is_passed_on() -> None:
    health = Health(model=CAPTIONING.model, status="degraded", detail="The volume is empty.")
    [advice] = diagnose(CAPTIONING, logbook_of(Running("fc-1")), None, health)
    assert advice.said == "The volume is empty."
    assert f"modal volume ls {CAPTIONING.volume}" in [remedy.command for remedy in advice.remedies]


def test_a_job_is_stuck_only_when_it_waits_longer_than_two_cold_starts_and_none_runs() -> None:
    patience_s = 2 * CAPTIONING.cold_start_s[1]
    assert titles(logbook_of(Queued("fc-1"), later_s=patience_s)) == []
    assert titles(logbook_of(Queued("fc-1"), later_s=patience_s + 1)) == [ADVICE["pending"].title]
    assert titles(logbook_of(Running("fc-1"), later_s=patience_s + 1)) == []


def test_a_failure_on_modal_leads_to_its_log_and_one_on_an_own_server_to_that_server() -> None:
    failed = logbook_of(Failed("fc-1", "CUDA out of memory"))
    [on_modal] = diagnose(CAPTIONING, failed, None, WELL)
    assert f"modal app logs {CAPTIONING.app_name}" in [remedy.command for remedy in on_modal.remedies]
    [own] = diagnose(CAPTIONING, failed, None, Health(model=CAPTIONING.model, engine="openai"))
    assert "UPSTREAM_BASE_URL" in [remedy.command for remedy in own.remedies]


def test_a_job_that_is_gone_is_explained_and_a_cancelled_one_is_no_trouble() -> None:
    assert titles(logbook_of(Expired("fc-1", "Job result expired"))) == [ADVICE["expired"].title]
    assert titles(logbook_of(Cancelled("fc-1"))) == []


def test_no_command_has_a_blank_left_to_fill_in() -> None:
    for stage in (Stage.FAILED, Stage.EXPIRED):
        end = Failed("fc-1", "It broke") if stage is Stage.FAILED else Expired("fc-1", "Gone")
        for error in (None, ServiceUnreachable("No"), AccessError("No"), ProtocolError("No")):
            for advice in diagnose(CAPTIONING, logbook_of(end), error, None if error else WELL):
                assert not any("{" in remedy.command for remedy in advice.remedies)
