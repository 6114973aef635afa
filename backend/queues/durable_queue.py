"""The caller's side of a queue in a durable store: takes a service's jobs, tells about them and cancels them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import math
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import sqlalchemy as sa

from backend.contract import ChatRequest
from backend.engines import Engine
from backend.queues import JobStatus, QueueFull, UnknownJob
from backend.queues.database import JobDatabase
from backend.queues.images import store_images, take_out
from backend.queues.live import Bells, differs
from backend.queues.records import add_job, cancel_job, count_queued, read_statuses
from backend.queues.running import JobRunner
from backend.services import ServiceSpec

logger = logging.getLogger(__name__)

ASSUMED_DURATION_S = 5.0
"""How long a job is taken to run while none has run yet, in seconds."""

MAX_RETRY_AFTER_S = 60
"""Longest that a caller who finds the queue full is sent away for, in seconds."""


class Lifecycle(Protocol):
    """What opens and closes a queue's database and workers."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


Enqueue = Callable[[sa.Connection, str, str], None]
"""Puts a job, by its service's key and its call id, into its queue within a transaction."""


class DurableQueue:
    """The jobs of one service. Made by `DurableStore.queue`; starting or closing it starts or closes the store."""

    def __init__(
        self,
        service: ServiceSpec,
        engine: Engine,
        *,
        database: JobDatabase,
        enqueue: Enqueue,
        lifecycle: Lifecycle,
        now: Callable[[], float],
        concurrency: int,
        limit: int,
    ) -> None:
        self.concurrency = concurrency
        self._service = service
        self._engine = engine
        self._database = database
        self._enqueue = enqueue
        self._lifecycle = lifecycle
        self._now = now
        self._limit = limit
        self._bells = Bells()
        self._warm_ups: set[asyncio.Task[None]] = set()
        self.runner = JobRunner(service, engine, database=database, bells=self._bells, now=now, concurrency=concurrency)

    @property
    def engine_name(self) -> str:
        """Which engine answers this queue's jobs."""
        return self._engine.name

    @property
    def max_pixels(self) -> int | None:
        """Most pixels of an image that the engine looks at; None when there is no such limit."""
        return self._engine.max_pixels

    @property
    def awaited(self) -> set[str]:
        """The jobs that somebody waits for in this process."""
        return self._bells.call_ids

    async def start(self) -> None:
        """Starts the store, and with it every queue that was taken from it. Starting twice is harmless."""
        await self._lifecycle.start()

    async def close(self) -> None:
        """Closes the store, and with it every queue that was taken from it. Closing twice is harmless."""
        await self._lifecycle.close()

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> str:
        """Takes a job and returns its call id, at once. The same key gives the same call id and no second job.

        Raises:
            QueueFull, QueueUnavailable.
        """
        call_id = derive_call_id(self._service.key, idempotency_key) if idempotency_key else f"fc-{uuid.uuid4().hex}"
        stored, images = await self._database.in_thread(_prepare, request)
        await self._database.transact(functools.partial(self._add, call_id=call_id, request=stored, images=images))
        return call_id

    async def status(self, call_id: str, *, wait_s: float = 0.0, seen: JobStatus | None = None) -> JobStatus:
        """Tells what the job is doing.

        With `wait_s` the answer is held until the job has ended, or, where `seen` is given, until something is
        different from `seen`, but no longer than `wait_s` seconds. What happens in this process is told at once, what
        happens in another one, and a new position, within a fraction of a second.

        Raises:
            UnknownJob, QueueUnavailable.
        """
        if wait_s <= 0:
            return await self._look(call_id)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        with self._bells.listen(call_id, to_any_change=seen is not None) as rung:
            while True:
                rung.clear()
                status = await self._look(call_id)
                is_news = status.stage.is_final or (seen is not None and differs(seen, status))
                if is_news or loop.time() >= until:
                    return status
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await rung.wait()

    async def cancel(self, call_id: str) -> JobStatus:
        """Cancels the job unless it has ended, and returns its status afterwards. Cancelling twice is harmless.

        Raises:
            UnknownJob, QueueUnavailable.
        """
        await self._database.transact(
            functools.partial(cancel_job, service=self._service.key, call_id=call_id, now=self._now())
        )
        status = await self._read(call_id)
        if status.stage.is_final and (job := self.runner.find(call_id)):
            job.stop()
        self._bells.ring(call_id, has_ended=True)
        return status

    async def warm_up(self) -> None:
        """Has the engine load its model. Returns at once."""
        task = asyncio.create_task(self._warm_up())
        self._warm_ups.add(task)
        task.add_done_callback(self._warm_ups.discard)

    async def stop(self, within_s: float) -> None:
        """Stops running jobs, which are run again later."""
        for task in self._warm_ups:
            task.cancel()
        await self.runner.stop(within_s)

    def dismiss(self) -> None:
        """Wakes those who wait; they find the database closed."""
        self._bells.ring_all()

    async def exchange_news(self) -> None:
        """Tells other processes how the jobs fare that run here, and learns how those fare that are waited for.

        Raises:
            QueueUnavailable.
        """
        await self.runner.report()
        asked = self.awaited - self.runner.live_ids
        if asked:
            statuses = await self._read_all(asked)
            for call_id in asked:
                self._bells.tell(call_id, statuses.get(call_id))

    async def _look(self, call_id: str) -> JobStatus:
        job = self.runner.find(call_id)
        return job.status(self._now()) if job else await self._read(call_id)

    async def _read(self, call_id: str) -> JobStatus:
        status = (await self._read_all({call_id})).get(call_id)
        if status is None:
            raise UnknownJob(f"No job of {self._service.key} has the call id {call_id}.")
        return status

    async def _read_all(self, call_ids: set[str]) -> dict[str, JobStatus]:
        return await self._database.transact(
            functools.partial(read_statuses, service=self._service.key, call_ids=call_ids, now=self._now())
        )

    def _add(self, connection: sa.Connection, *, call_id: str, request: str, images: Mapping[str, bytes]) -> None:
        now = self._now()
        if not add_job(connection, call_id=call_id, service=self._service.key, request=request, now=now):
            return
        if count_queued(connection, self._service.key) > self._limit:
            raise self._full()
        store_images(connection, call_id, images, now)
        self._enqueue(connection, self._service.key, call_id)

    def _full(self) -> QueueFull:
        until_one_ends_s = (self.runner.usual_duration_s or ASSUMED_DURATION_S) / self.concurrency
        retry_after_s = min(MAX_RETRY_AFTER_S, max(1, math.ceil(until_one_ends_s)))
        return QueueFull(f"{self._limit} jobs wait already. Try again in {retry_after_s} s.", retry_after_s)

    async def _warm_up(self) -> None:
        try:
            await self._engine.warm_up()
        except Exception:
            logger.exception("The engine of %s could not be warmed up", self._service.key)


def derive_call_id(service: str, idempotency_key: str) -> str:
    """Returns the call id that every process gives to this key of this service."""
    return f"fc-{hashlib.sha256(f'{service}/{idempotency_key}'.encode()).hexdigest()[:32]}"


def _prepare(request: ChatRequest) -> tuple[str, dict[str, bytes]]:
    lean, images = take_out(request)
    return lean.model_dump_json(exclude_none=True), images
