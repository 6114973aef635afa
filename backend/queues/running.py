"""The worker's side of a queue: runs the jobs that are handed out to this process, and tells others how they fare."""

from __future__ import annotations

import asyncio
import functools
import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from backend.contract import ChatRequest, Stage
from backend.engines import Engine
from backend.queues import QueueUnavailable
from backend.queues.answering import answer_job, failed
from backend.queues.database import JobDatabase
from backend.queues.images import MissingImage, load_images, put_back
from backend.queues.live import Bells, LiveJob
from backend.queues.outcome import Outcome
from backend.queues.records import (
    Begun,
    begin_run,
    end_run,
    find_current_runs,
    release_runs,
    write_progress,
)
from backend.services import ServiceSpec

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Runs of a job that may die with their process. One that kills its process each time must not do so for ever."""

REMEMBERED_DURATIONS = 20
"""Recent jobs from which the usual duration of a job is estimated."""

MAX_PAUSE_S = 10
"""Longest pause between two attempts to write to a database that cannot be reached, in seconds."""

T = TypeVar("T")


class JobRunner:
    """Runs the jobs of one service in this process."""

    def __init__(
        self,
        service: ServiceSpec,
        engine: Engine,
        *,
        database: JobDatabase,
        bells: Bells,
        now: Callable[[], float],
        concurrency: int,
    ) -> None:
        self._service = service
        self._engine = engine
        self._database = database
        self._bells = bells
        self._now = now
        self._live: dict[str, LiveJob] = {}
        self._runs: set[asyncio.Task[object]] = set()
        self._durations_s: deque[float] = deque(maxlen=REMEMBERED_DURATIONS)
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._is_stopping = False

    @property
    def usual_duration_s(self) -> float | None:
        """Mean duration of recent jobs, in seconds; None when there were none."""
        return sum(self._durations_s) / len(self._durations_s) if self._durations_s else None

    @property
    def live_ids(self) -> set[str]:
        """The jobs that run in this process now."""
        return set(self._live)

    def find(self, call_id: str) -> LiveJob | None:
        """Returns the job where it runs in this process and still counts."""
        job = self._live.get(call_id)
        return None if job is None or job.is_lost or job.is_ending else job

    def start(self) -> None:
        """Accepts jobs, after a stop too."""
        # DBOS keeps one limit for all processes, the one that was registered last. Each process keeps its own here.
        self._slots = asyncio.Semaphore(self._concurrency)
        self._is_stopping = False

    async def stop(self, within_s: float) -> None:
        """Stops running jobs, waits so long for their engines, and leaves the jobs to be run again."""
        self._is_stopping = True
        run_ids = [job.run_id for job in self._live.values() if not job.is_ending]
        for task in self._runs:
            task.cancel()
        if self._runs:
            await asyncio.wait(self._runs, timeout=within_s)
        try:
            await self._database.transact(functools.partial(release_runs, run_ids=run_ids))
        except QueueUnavailable:
            logger.warning("Jobs of %s stay marked as running until they are run again", self._service.key)

    async def run(self, call_id: str) -> None:
        """Has the engine answer a job that was handed out to this process.

        Raises:
            asyncio.CancelledError: the runner stops; the job is to be run again.
        """
        task = asyncio.current_task()
        if self._is_stopping or task is None:
            raise asyncio.CancelledError
        self._runs.add(task)
        try:
            async with self._slots:
                await self._run(call_id, run_id=uuid.uuid4().hex)
        finally:
            self._runs.discard(task)

    async def report(self) -> None:
        """Writes down how far the jobs are, for other processes to see, and stops those that others have ended.

        Raises:
            QueueUnavailable.
        """
        running = {job.run_id: job for job in self._live.values() if not job.is_ending}
        if not running:
            return
        news = [(job.run_id, job.stage, job.partial) for job in running.values() if not job.is_written]
        for job in running.values():
            job.is_written = True
        current = await self._database.transact(functools.partial(_report, news, set(running)))
        for run_id, job in running.items():
            if run_id not in current:
                job.stop()

    async def _run(self, call_id: str, run_id: str) -> None:
        begun, images = await self._insist(functools.partial(_begin, call_id=call_id, run_id=run_id))
        if begun is None:
            return
        job = self._live[call_id] = LiveJob(call_id, run_id, begun.created_at)
        self._bells.ring(call_id)
        try:
            outcome = await self._work(job, begun, images)
            if outcome is not None:
                job.is_ending = True
                await self._insist(functools.partial(end_run, run_id=run_id, outcome=outcome, now=self._now()))
        finally:
            if self._live.get(call_id) is job:
                del self._live[call_id]
            self._bells.ring(call_id, has_ended=True)

    async def _work(self, job: LiveJob, begun: Begun, images: Mapping[str, bytes]) -> Outcome | None:
        """Returns how the run ended; None when it no longer counts, as the job was cancelled or taken by another."""
        began_s = asyncio.get_running_loop().time()
        work = asyncio.ensure_future(self._answer(job, begun, images))
        job.work = work
        try:
            outcome = await work
        except asyncio.CancelledError:
            if job.is_lost and not self._is_stopping:
                return None
            raise
        self._durations_s.append(asyncio.get_running_loop().time() - began_s)
        return None if job.is_lost else outcome

    async def _answer(self, job: LiveJob, begun: Begun, images: Mapping[str, bytes]) -> Outcome:
        if begun.attempts > MAX_ATTEMPTS:
            return failed(_too_often(job.call_id))
        try:
            request = await self._database.in_thread(_restore, begun.request, images)
        except MissingImage as error:
            return failed(_image_gone(job.call_id), error=error)
        except ValidationError as error:
            return failed(_unreadable(job.call_id), error=error)
        return await answer_job(
            job,
            request,
            engine=self._engine,
            service=self._service,
            now=self._now,
            on_progress=functools.partial(self._bells.ring, job.call_id),
        )

    async def _insist(self, work: Callable[[sa.Connection], T]) -> T:
        """Runs `work` in a transaction, again and again while the database cannot be reached."""
        # Giving up would leave the job without an end; a stop of the queue ends the waiting.
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(QueueUnavailable), wait=wait_exponential(multiplier=0.1, max=MAX_PAUSE_S)
        ):
            with attempt:
                return await self._database.transact(work)
        raise AssertionError("retries never end without a result")


def _begin(connection: sa.Connection, *, call_id: str, run_id: str) -> tuple[Begun | None, dict[str, bytes]]:
    begun = begin_run(connection, call_id, run_id)
    return begun, load_images(connection, call_id) if begun else {}


def _report(news: list[tuple[str, Stage, str]], run_ids: set[str], connection: sa.Connection) -> set[str]:
    for run_id, stage, partial in news:
        write_progress(connection, run_id, stage, partial)
    return find_current_runs(connection, run_ids)


def _restore(request: str, images: Mapping[str, bytes]) -> ChatRequest:
    return put_back(ChatRequest.model_validate_json(request), images)


def _too_often(call_id: str) -> str:
    return (
        f"Job {call_id} was given up: the service stopped {MAX_ATTEMPTS} times while it ran. "
        "Submit it again with a smaller image."
    )


def _image_gone(call_id: str) -> str:
    return f"The image of job {call_id} is no longer stored. Submit the job again, with the image."


def _unreadable(call_id: str) -> str:
    return f"Job {call_id} was stored by another version of the service, which this one cannot read. Submit it again."
