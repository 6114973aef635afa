"""A service within the test's own process, on a clock that moves only when somebody waits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from backend.services import VQA
from client.clock import Clock
from client.jobs import JobClient

URL = "http://service.test"


class VirtualTime:
    """A clock for one task: to sleep is to move it."""

    def __init__(self, chance: Callable[[], float] = lambda: 0.5) -> None:
        self.now_s = 1000.0
        self.clock = Clock(now=lambda: self.now_s, sleep=self._sleep, chance=chance)

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class ScriptedService:
    """Jobs that take `job_s` each. `holds` tells whether it knows `wait` and says what stage a job is in."""

    time: VirtualTime = field(default_factory=VirtualTime)
    job_s: float = 1.0
    holds: bool = False
    pending_headers: dict[str, str] = field(default_factory=dict)
    stages: tuple[tuple[float, str], ...] = ((0.0, "running"),)
    """From which age on a job is in which stage."""
    answers: list[httpx.Response | Exception] = field(default_factory=list)
    """Answered first, whatever is asked."""
    requests: list[httpx.Request] = field(default_factory=list)
    polled_at: list[float] = field(default_factory=list)
    """Ages of the job at which it was polled, in seconds."""
    submitted_at: float = 1000.0

    def client(self, **options: object) -> JobClient:
        """Returns a client of the service, on its clock."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return JobClient(VQA, URL, http=http, clock=self.time.clock, **options)  # type: ignore[arg-type]

    @property
    def age_s(self) -> float:
        """How long ago the last job was submitted."""
        return self.time.now_s - self.submitted_at

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.method == "POST":
            self.submitted_at = self.time.now_s
            return submitted()
        return self._status(float(request.url.params.get("wait", 0)))

    def _status(self, wait_s: float) -> httpx.Response:
        self.polled_at.append(self.age_s)
        if self.holds:
            self.time.now_s += max(0.0, min(wait_s, self.job_s - self.age_s))
        if self.age_s >= self.job_s - 1e-9:
            return completed("A harbor.")
        body: dict[str, object] = {"status": "pending", "call_id": "fc-1"}
        if self.holds:
            stage = next(stage for since_s, stage in reversed(self.stages) if self.age_s >= since_s)
            body |= {"stage": stage, "elapsed": self.age_s}
            body |= {"partial": "A har"} if stage == "running" else {"position": 2}
        return httpx.Response(202, json=body, headers=self.pending_headers)


def submitted() -> httpx.Response:
    """Returns the answer to a submission."""
    return httpx.Response(200, json={"call_id": "fc-1", "status": "pending", "model": "any"})


def completed(text: str) -> httpx.Response:
    """Returns the answer to a poll of a finished job."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    return httpx.Response(200, json={"id": "chatcmpl-fc-1", "model": "any", "choices": choices})


def half_of(response: httpx.Response) -> httpx.Response:
    """Returns the answer with its body cut in half."""
    return httpx.Response(response.status_code, content=response.content[: len(response.content) // 2])


def body_of(request: httpx.Request) -> dict[str, object]:
    """Returns the JSON that a request carries."""
    body: dict[str, object] = json.loads(request.content)
    return body
