"""Stores on a database of the test's own, closed at its end, and worker processes, killed at its end."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from backend.engines import Engine
from backend.queues.durable import DurableStore
from backend.queues.durable_queue import DurableQueue
from backend.services import CAPTIONING
from tests.backend.queues.fakes import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]


class OpenQueue(Protocol):
    async def __call__(self, engine: Engine, *, answers: bool = True, **options: Any) -> DurableQueue: ...


StartWorker = Callable[[], Awaitable[Process]]


@pytest.fixture
def database_url() -> str | None:
    """Where the test's jobs are kept; None for SQLite in the test's directory."""
    return None


@pytest.fixture
async def open_store(tmp_path: Path, database_url: str | None) -> AsyncIterator[Callable[..., DurableStore]]:
    """Makes stores on the test's database; not started yet."""
    stores: list[DurableStore] = []

    def make(**options: Any) -> DurableStore:
        stores.append(DurableStore(data_dir=tmp_path, database_url=database_url, **options))
        return stores[-1]

    yield make
    for store in reversed(stores):
        await store.close()


@pytest.fixture
async def open_queue(open_store: Callable[..., DurableStore]) -> OpenQueue:
    """Starts a store with a captioning queue, and returns the queue."""

    async def start(engine: Engine, *, answers: bool = True, **options: Any) -> DurableQueue:
        queue = open_store(answers=answers).queue(CAPTIONING, engine, **options)
        await queue.start()
        return queue

    return start


@pytest.fixture
async def start_worker(tmp_path: Path, database_url: str | None) -> AsyncIterator[StartWorker]:
    """Starts processes that answer the jobs of the test's database."""
    processes: list[Process] = []

    async def start() -> Process:
        where = [str(tmp_path), *([database_url] if database_url else [])]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.backend.queues.worker", *where, cwd=ROOT, stdout=PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_S) == b"ready\n"
        return process

    yield start
    for process in processes:
        await kill(process)


async def kill(process: Process) -> None:
    """Kills the process as `kill -9` does, and waits for its end."""
    if process.returncode is None:
        process.kill()
    await asyncio.wait_for(process.communicate(), PATIENCE_S)
