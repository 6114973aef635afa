"""DBOS, which hands queued jobs to this process and hands them out again when a process has died.

Nothing else of Nadir knows DBOS. It keeps its tables in the same database as the jobs, so that a job and its place in
the queue are written in one transaction. It opens no port and sends nothing over the network.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions, WorkflowSerializationFormat

APPLICATION = "nadir"
APPLICATION_VERSION = "nadir-1"
"""Fixed: DBOS gives unfinished jobs only to the version that took them, and a release must finish its elders' jobs."""

POLLING_INTERVAL_S = 0.02
"""How often each queue is looked at for a job to run while jobs come in, in seconds."""

QUIET_POLLING_INTERVAL_S = 0.1
"""The same while none come in. Looking 50 times a second would cost a fifth of a core, day and night."""

POLLER_STOPPING_S = 1.0
"""How long a poller may take to stop, in seconds."""

_WORKFLOW = "answer"
_POLLER_THREADS = "queue-worker-"


class Dispatcher:
    """Puts jobs into the services' queues and, once launched, runs them."""

    def __init__(self, database: sa.Engine, concurrency: Mapping[str, int]) -> None:
        """`concurrency` is how many jobs of each service this process runs at once, by the service's key.

        Creates or upgrades the tables of DBOS. Blocks.
        """
        _quieten_dbos()
        self._database = database
        self._dbos: DBOS | None = None
        self._url = database.url.render_as_string(hide_password=False)
        self._concurrency = dict(concurrency)
        self._queues = {service: f"{APPLICATION}-{service}" for service in concurrency}
        DBOS.migrate(self._url)
        self._client = DBOSClient(
            system_database_engine=database, application_name=APPLICATION, retry_connection_errors=False
        )

    def set_polling_interval(self, interval_s: float) -> None:
        """Sets how often every process looks at these queues for a job to run. Blocks."""
        for name in self._queues.values():
            if queue := self._client.retrieve_queue(name):
                queue.set_polling_interval_sec(interval_s)

    def launch(
        self, worker_id: str, run: Callable[[str, str], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Begins to run jobs: `run(service, call_id)` is awaited on `loop` for each. Blocks until DBOS is up.

        When `run` is cancelled the job counts as interrupted, and is run again once this worker has left.
        """
        for service, at_once in self._concurrency.items():
            self._client.register_queue(
                self._queues[service], worker_concurrency=at_once, polling_interval_sec=QUIET_POLLING_INTERVAL_S
            )
        self._dbos = DBOS(config=self._config(worker_id))

        # DBOS has an event loop of its own; engines and their connections belong to the application's.
        @DBOS.workflow(name=_WORKFLOW)
        async def answer(service: str, call_id: str) -> None:
            if loop.is_closed():
                raise asyncio.CancelledError
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(service, call_id), loop))

        DBOS.listen_queues(list(self._queues.values()))
        DBOS.launch()

    def stop(self) -> None:
        """Stops running jobs and lets go of DBOS, so that it can be launched again. Blocks for up to a second."""
        if self._dbos is not None:
            _stop_polling(self._dbos)
            DBOS.destroy(destroy_registry=True)
            self._dbos = None
        self._client.destroy()

    def enqueue(self, connection: sa.Connection, service: str, call_id: str) -> None:
        """Queues a job within the caller's transaction."""
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": self._queues[service],
            "workflow_id": call_id,
            "app_version": APPLICATION_VERSION,
            "serialization_type": WorkflowSerializationFormat.PORTABLE,
        }
        self._client.enqueue_in_transaction(connection, options, service, call_id)

    def requeue_orphans(self, find_alive: Callable[[], Collection[str]]) -> None:
        """Queues again the jobs that run on a worker that is not alive. Blocks."""
        running = {
            name: self._client.list_workflows(status="PENDING", queue_name=name, load_input=False, load_output=False)
            for name in self._queues.values()
        }
        # Asked only now: a worker shows itself before it takes a job, so none of these is newer than the answer.
        alive = find_alive()
        for name, workflows in running.items():
            if orphans := [workflow.workflow_id for workflow in workflows if workflow.executor_id not in alive]:
                self._client.resume_workflows(orphans, queue_name=name)

    def forget(self, call_ids: Collection[str]) -> None:
        """Removes what DBOS knows about these jobs. Blocks."""
        self._client.delete_workflows(list(call_ids))

    def _config(self, worker_id: str) -> DBOSConfig:
        return {
            "name": APPLICATION,
            "system_database_url": self._url,
            "system_database_engine": self._database,
            "run_migrations": False,
            "application_version": APPLICATION_VERSION,
            "executor_id": worker_id,
            # Neither events nor streams of DBOS are used. The interval bounds how long its shutdown takes.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.05,
            "enable_otlp": False,
            # Each interrupted job is a warning of DBOS's, and each start a page of information.
            "log_level": "ERROR",
        }


def _stop_polling(dbos: DBOS) -> None:
    # DBOS closes its event loop while its pollers may still hand it a job, on which they then wait for seconds.
    for stop in dbos.background_thread_stop_events:
        stop.set()
    for thread in threading.enumerate():
        # One that has not started yet finds itself stopped, and cannot be joined.
        if thread.name.startswith(_POLLER_THREADS) and thread.is_alive():
            thread.join(timeout=POLLER_STOPPING_S)


def _quieten_dbos() -> None:
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        # Without a handler of its own DBOS would write to the console past the application's logging.
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.ERROR)
