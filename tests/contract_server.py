"""A server of the wire contract with scripted jobs, on a real port: bare, or with the additions that Nadir makes.

It is written on plain asyncio streams, so that it is quick enough to stand still beside what a benchmark measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

REASONS = {200: "OK", 202: "Accepted", 404: "Not Found", 405: "Method Not Allowed", 429: "Too Many Requests"}
MODEL = "scripted"


@dataclass
class ScriptedJob:
    """One job, and what the server saw of it. Times are of `time.monotonic`."""

    call_id: str
    prompt: str
    service_time_s: float
    submitted_at: float
    body: dict[str, Any] = field(default_factory=dict)
    started_at: float | None = None
    ended_at: float | None = None
    told_at: float | None = None
    """When its end was first told to the client."""
    polls: int = 0
    runs: int = 0
    stage: str = "queued"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def image_url(self) -> str:
        """The URL of the one image of the last message."""
        parts = self.body["messages"][-1]["content"]
        return next(str(part["image_url"]["url"]) for part in parts if part["type"] == "image_url")

    @property
    def lost_s(self) -> float:
        """Time between the job's end and the client's knowing it."""
        assert self.ended_at is not None
        assert self.told_at is not None
        return self.told_at - self.ended_at


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    target: str
    """Path and query as they came."""

    @property
    def encoded(self) -> bytes:
        """The request as it goes on."""
        head = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Reply:
    """What goes out."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def encoded(self) -> bytes:
        body = json.dumps(self.body).encode()
        head = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(head).encode() + body


def answer_to(prompt: str) -> str:
    """Returns the one right answer to a prompt."""
    return f"The answer to {prompt!r}."


class ContractServer:
    """Takes jobs and runs `slots` of them at once, each for the time that `service_time_s` says.

    Args:
        extended: whether it has Nadir's additions: `wait`, stages, idempotency keys, cancellation, warm-up.
        queue_limit: jobs that may be unfinished; beyond, a submit gets 429.
        cold_start_s: how much longer the first job takes.
    """

    def __init__(
        self,
        service_time_s: float | Callable[[str], float] = 0.0,
        *,
        slots: int = 8,
        extended: bool = False,
        queue_limit: int = 10_000,
        cold_start_s: float = 0.0,
        port: int = 0,
    ) -> None:
        self._service_time_s = service_time_s if callable(service_time_s) else lambda _: service_time_s
        self._free_slots = slots
        self._extended = extended
        self._queue_limit = queue_limit
        self._cold_start_s = cold_start_s
        self._port = port
        self._waiting: deque[ScriptedJob] = deque()
        self._by_key: dict[str, ScriptedJob] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self.jobs: dict[str, ScriptedJob] = {}
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.was_asked = asyncio.Event()
        """Set once a job was submitted."""
        self.was_polled = asyncio.Event()
        """Set once a job was polled."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=1 << 26)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    writer.write((await self._reply(await read_request(reader))).encoded)
                    await writer.drain()
        finally:
            writer.close()
            self._connections.discard(task)

    async def _reply(self, request: Request) -> Reply:
        self.requests.append(f"{request.method} {request.path}")
        self.headers.append(request.headers)
        call_id = request.path.rpartition("/")[2]
        match request.method, request.path.removesuffix(call_id):
            case "POST", "/v1/chat/completions/" if call_id == "async":
                return self._submit(request)
            case "GET", "/v1/chat/completions/status/":
                return await self._status(call_id, request)
            case "DELETE", "/v1/chat/completions/status/" if self._extended:
                return self._cancel(call_id)
            case "DELETE", "/v1/chat/completions/status/":
                return Reply(405, {"detail": "Method Not Allowed"})
            case "GET", "/" if call_id == "health":
                return Reply(200, {"status": "ok", "model": MODEL})
            case "POST", "/" if call_id == "warmup" and self._extended:
                return Reply(202, {"status": "warming", "model": MODEL})
            case "POST", "/v1/chat/" if call_id == "completions":
                job = self._take(request)
                await job.ended.wait()
                return self._result(job)
        return Reply(404, {"detail": "Not Found"})

    def _submit(self, request: Request) -> Reply:
        key = request.headers.get("idempotency-key") if self._extended else None
        job = self._by_key.get(key or "")
        if job is None:
            if sum(not job.ended.is_set() for job in self._waiting) >= self._queue_limit:
                return Reply(429, {"error": "The queue is full."}, {"Retry-After": "1"})
            job = self._take(request)
            if key:
                self._by_key[key] = job
        return Reply(200, {"call_id": job.call_id, "status": "pending", "model": MODEL})

    def _take(self, request: Request) -> ScriptedJob:
        body = json.loads(request.body)
        prompt = prompt_of(body)
        call_id = f"fc-{len(self.jobs) + 1:06d}"
        job = ScriptedJob(call_id, prompt, self._service_time_s(prompt) + self._cold_start_s, time.monotonic(), body)
        self._cold_start_s = 0.0
        self.jobs[call_id] = job
        self._waiting.append(job)
        self.was_asked.set()
        self._fill_slots()
        return job

    def _fill_slots(self) -> None:
        while self._free_slots and self._waiting:
            job = self._waiting.popleft()
            if job.ended.is_set():
                continue
            self._free_slots -= 1
            job.started_at, job.stage, job.runs = time.monotonic(), "running", job.runs + 1
            asyncio.get_running_loop().call_later(job.service_time_s, self._end, job)

    def _end(self, job: ScriptedJob) -> None:
        self._free_slots += 1
        if not job.ended.is_set():
            job.ended_at, job.stage = time.monotonic(), "done"
            job.ended.set()
        self._fill_slots()

    async def _status(self, call_id: str, request: Request) -> Reply:
        job = self.jobs.get(call_id)
        if job is None:
            return Reply(404, {"error": "Job result expired (older than 7 days)"})
        job.polls += 1
        self.was_polled.set()
        wait_s = float(request.query.get("wait", ["0"])[0]) if self._extended else 0.0
        if wait_s and not job.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.ended.wait(), wait_s)
        return self._result(job) if job.ended.is_set() else self._pending(job)

    def _result(self, job: ScriptedJob) -> Reply:
        if job.stage == "cancelled":
            return Reply(404, {"error": "Job was cancelled"})
        job.told_at = job.told_at or time.monotonic()
        message = {"role": "assistant", "content": answer_to(job.prompt)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return Reply(
            200, {"id": f"chatcmpl-{job.call_id}", "object": "chat.completion", "model": MODEL, "choices": choices}
        )

    def _pending(self, job: ScriptedJob) -> Reply:
        body: dict[str, Any] = {"status": "pending", "call_id": job.call_id}
        if self._extended:
            body |= {"stage": job.stage, "elapsed": time.monotonic() - job.submitted_at}
            if job.stage == "queued":
                body["position"] = self._waiting.index(job)
            else:
                body["partial"] = answer_to(job.prompt)[:6]
        return Reply(202, body)

    def _cancel(self, call_id: str) -> Reply:
        job = self.jobs.get(call_id)
        if job is None:
            return Reply(404, {"error": "Job not found"})
        if not job.ended.is_set():
            job.stage = "cancelled"
            job.ended.set()
        return Reply(200, {"status": job.stage, "call_id": call_id})


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Reads one HTTP/1.1 request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    url = urlsplit(target)
    return Request(method, url.path, parse_qs(url.query), headers, body, target)


def prompt_of(body: dict[str, Any]) -> str:
    """Returns the words of the last message of a request."""
    content = body["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")
