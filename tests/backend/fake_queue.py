"""A small job queue in memory, driven by an engine, for tests of what stands before and behind a queue."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from backend.contract import UNKNOWN_MESSAGE, AnswerMessage, ChatRequest, Choice, Completion, Stage
from backend.engines import (
    Answer,
    Engine,
    EngineError,
    EngineEvent,
    EngineUnavailable,
    RequestRefused,
    Starting,
    TextPiece,
)
from backend.queues import JobStatus, QueueFull, UnknownJob


@dataclass
class _Job:
    request: ChatRequest
    status: JobStatus
    submitted: float = field(default_factory=time.monotonic)
    task: asyncio.Task[None] | None = None


class FakeQueue:
    """Runs every job at once, `limit` of them at most, and forgets all when it is closed."""

    def __init__(self, engine: Engine, limit: int = 100, id_prefix: str = "fc-") -> None:
        self.engine = engine
        self.limit = limit
        self.warm_ups = 0
        self.requests: list[ChatRequest] = []
        """Every request that was taken, in order."""
        self._ids = (f"{id_prefix}{number}" for number in itertools.count(1))
        self._jobs: dict[str, _Job] = {}
        self._keys: dict[str, str] = {}
        self._changed = asyncio.Condition()

    @property
    def engine_name(self) -> str:
        return self.engine.name

    @property
    def max_pixels(self) -> int | None:
        return self.engine.max_pixels

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        tasks = [job.task for job in self._jobs.values() if job.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> str:
        if idempotency_key in self._keys:
            return self._keys[idempotency_key]
        if sum(not job.status.stage.is_final for job in self._jobs.values()) >= self.limit:
            raise QueueFull(f"{self.limit} jobs wait already. Try again in 7 seconds.", retry_after_s=7)
        call_id = next(self._ids)
        job = self._jobs[call_id] = _Job(request, JobStatus(call_id, Stage.QUEUED, position=0))
        job.task = asyncio.create_task(self._run(job))
        self.requests.append(request)
        if idempotency_key is not None:
            self._keys[idempotency_key] = call_id
        async with self._changed:
            self._changed.notify_all()
        return call_id

    async def status(self, call_id: str, *, wait_s: float = 0.0, seen: JobStatus | None = None) -> JobStatus:
        job = self._find(call_id)

        def has_news() -> bool:
            is_new = seen is not None and replace(job.status, elapsed_s=None) != replace(seen, elapsed_s=None)
            return is_new or job.status.stage.is_final

        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(has_news)
        except TimeoutError:
            pass
        return replace(job.status, elapsed_s=time.monotonic() - job.submitted)

    async def cancel(self, call_id: str) -> JobStatus:
        job = self._find(call_id)
        if not job.status.stage.is_final:
            await self._set(job, stage=Stage.CANCELLED, position=None)
            if job.task:
                job.task.cancel()
        return job.status

    async def warm_up(self) -> None:
        self.warm_ups += 1

    async def until(self, call_id: str, is_so: Callable[[JobStatus], bool]) -> JobStatus:
        """Waits for the job to be submitted and its status to be so; ten seconds at most."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: call_id in self._jobs and is_so(self._jobs[call_id].status))
        return self._jobs[call_id].status

    def _find(self, call_id: str) -> _Job:
        if call_id not in self._jobs:
            raise UnknownJob(UNKNOWN_MESSAGE)
        return self._jobs[call_id]

    async def _set(self, job: _Job, **changes: object) -> None:
        async with self._changed:
            job.status = replace(job.status, **changes)
            self._changed.notify_all()

    async def _run(self, job: _Job) -> None:
        try:
            async for event in self.engine.answer(job.request):
                await self._note(job, event)
        except EngineError as error:
            status = 400 if isinstance(error, RequestRefused) else 503 if isinstance(error, EngineUnavailable) else 500
            await self._set(job, stage=Stage.FAILED, position=None, error=str(error), error_status=status)

    async def _note(self, job: _Job, event: EngineEvent) -> None:
        match event:
            case Starting():
                await self._set(job, stage=Stage.STARTING, position=None)
            case TextPiece(text):
                await self._set(job, stage=Stage.RUNNING, position=None, partial=job.status.partial + text)
            case Answer(text, finish_reason, usage):
                completion = Completion(
                    id=f"chatcmpl-{job.status.call_id}",
                    created=1,
                    model=job.request.model,
                    choices=[Choice(message=AnswerMessage(content=text), finish_reason=finish_reason)],
                    usage=usage,
                )
                await self._set(job, stage=Stage.DONE, position=None, completion=completion)
