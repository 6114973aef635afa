"""The embedded job queue: jobs live in a database, survive `kill -9`, and are answered by engines of this process."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from backend.engines import Engine
from backend.queues import QueueUnavailable
from backend.queues.database import JobDatabase, create_tables
from backend.queues.dispatch import POLLING_INTERVAL_S, QUIET_POLLING_INTERVAL_S, Dispatcher
from backend.queues.durable_queue import DurableQueue
from backend.queues.records import find_expired, remove_jobs
from backend.queues.workers import BEAT_S, Worker
from backend.services import ServiceSpec

logger = logging.getLogger(__name__)

PULSE_S = 0.25
"""How often progress is written to the database and news from other processes is read, in seconds."""

QUIET_AFTER_S = 30.0
"""A store that has taken no job for so long is quiet, in seconds."""

SWEEP_S = 3600.0
"""How often expired jobs are removed, in seconds."""

STOPPING_S = 0.5
"""How long running engines may take to stop when the store closes, in seconds."""


class DurableStore:
    """Keeps the jobs of several services in one database and runs them.

    Make it, take a queue for each service, start it. It and its queues are used from the event loop that started it.
    A process has one store that answers jobs, as DBOS allows no more.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        database_url: str | None = None,
        answers: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            data_dir: where the SQLite file goes when there is no `database_url`.
            database_url: Postgres URL; stores of several machines with the same URL share their jobs.
            answers: False for a process that takes and shows jobs, and leaves them to others to answer.
            now: Unix time in seconds.
        """
        self._answers = answers
        self._now = now
        self._database = JobDatabase(data_dir, database_url)
        self._queues: dict[str, DurableQueue] = {}
        self._worker = Worker()
        self._dispatcher: Dispatcher | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._polling_interval_s = QUIET_POLLING_INTERVAL_S
        self._submitted_at = -math.inf

    def queue(self, service: ServiceSpec, engine: Engine, *, concurrency: int = 4, limit: int = 256) -> DurableQueue:
        """Returns the queue of a service. To be called before the store is started.

        Args:
            concurrency: jobs of this service that this process runs at once.
            limit: jobs of this service that may wait.
        """
        if self._database.is_open:
            raise RuntimeError("take the queues before the store is started")
        queue = self._queues[service.key] = DurableQueue(
            service,
            engine,
            database=self._database,
            enqueue=self._enqueue,
            lifecycle=self,
            now=self._now,
            concurrency=concurrency,
            limit=limit,
        )
        return queue

    async def start(self) -> None:
        """Begins to take and run jobs of all queues, first those that a stopped process left unfinished.

        Starting twice is harmless.

        Raises:
            QueueUnavailable: the database cannot be opened.
        """
        if self._database.is_open:
            return
        self._database.open()
        self._worker = Worker()
        self._polling_interval_s = QUIET_POLLING_INTERVAL_S
        for queue in self._queues.values():
            queue.runner.start()
        try:
            await self._database.in_thread(self._launch, asyncio.get_running_loop())
        except BaseException:
            await self.close()
            raise
        self._pulse = asyncio.create_task(self._beat_on())

    async def close(self) -> None:
        """Stops running jobs and lets go of the database. What is unfinished goes on at the next start.

        Closing twice is harmless.
        """
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait({self._pulse})
        try:
            if self._dispatcher is not None:
                await asyncio.gather(*(queue.stop(STOPPING_S) for queue in self._queues.values()))
                await self._database.in_thread(self._dispatcher.stop)
                await self._leave()
        finally:
            self._dispatcher = self._pulse = None
            self._database.close()
            for queue in self._queues.values():
                queue.dismiss()

    async def sweep(self) -> int:
        """Removes jobs whose retention has passed, and images that no job needs. Returns how many jobs it removed.

        Raises:
            QueueUnavailable.
        """
        removed = 0
        while expired := await self._database.transact(functools.partial(find_expired, now=self._now())):
            # DBOS forgets first. The other way round, a job whose row alone is gone could never be submitted again.
            await self._database.in_thread(self._dispatching.forget, expired)
            await self._database.transact(functools.partial(remove_jobs, call_ids=expired, now=self._now()))
            removed += len(expired)
        return removed

    @property
    def _dispatching(self) -> Dispatcher:
        if self._dispatcher is None:
            raise QueueUnavailable("The job queue is closed. Try again in a moment.")
        return self._dispatcher

    def _enqueue(self, connection: sa.Connection, service: str, call_id: str) -> None:
        self._dispatching.enqueue(connection, service, call_id)
        self._submitted_at = time.monotonic()

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        database = self._database.engine
        concurrency = {key: queue.concurrency for key, queue in self._queues.items()}
        self._dispatcher = Dispatcher(database, concurrency)
        create_tables(database)
        if self._answers:
            with database.begin() as connection:
                self._worker.beat(connection)
            self._dispatcher.launch(self._worker.worker_id, self._run, loop)

    async def _run(self, service: str, call_id: str) -> None:
        await self._queues[service].runner.run(call_id)

    async def _beat_on(self) -> None:
        beat_due = sweep_due = 0.0
        while True:
            try:
                if self._answers and time.monotonic() >= beat_due:
                    beat_due = time.monotonic() + BEAT_S
                    await self._beat()
                await self._keep_pace()
                for queue in self._queues.values():
                    await queue.exchange_news()
                if time.monotonic() >= sweep_due:
                    sweep_due = time.monotonic() + SWEEP_S
                    await self.sweep()
            except QueueUnavailable:
                logger.debug("The next pulse tries again", exc_info=True)
            except Exception:
                logger.exception("A pulse of the job queue failed")
            await asyncio.sleep(PULSE_S)

    async def _keep_pace(self) -> None:
        is_quiet = time.monotonic() > self._submitted_at + QUIET_AFTER_S
        interval_s = QUIET_POLLING_INTERVAL_S if is_quiet else POLLING_INTERVAL_S
        if interval_s != self._polling_interval_s:
            await self._database.in_thread(self._dispatching.set_polling_interval, interval_s)
            self._polling_interval_s = interval_s

    async def _beat(self) -> None:
        await self._database.transact(self._worker.beat)
        await self._database.in_thread(self._dispatching.requeue_orphans, self._find_alive)

    def _find_alive(self) -> set[str]:
        with self._database.engine.begin() as connection:
            return self._worker.find_alive(connection)

    async def _leave(self) -> None:
        try:
            if self._answers:
                await self._database.transact(self._worker.leave)
        except QueueUnavailable:
            logger.warning("Other workers will notice only later that this one has stopped")
