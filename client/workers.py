"""Worker processes that decode files: started ahead, bounded in memory, killed when they take too long.

Started as plain programs, and not through multiprocessing or a pool on top of it: those hand every worker the whole
environment, with the credentials in it, import the page into it, and unpickle whatever it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from client.errors import SceneError
from client.tasks import DrawTask, Job, OpenTask, Reply

ROOT = Path(__file__).resolve().parent.parent
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Longest reply of a worker; a picture of 16.8 megapixels takes half of it at most."""
MAX_TASKS = 200
"""A worker is replaced after this many tasks, because decoders leak."""
INHERITED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Environment variables that a worker sees; credentials are none of them."""
BROKEN = (
    "The file broke its decoder: it is damaged, or takes too much memory. "
    "Convert it to a tiled GeoTIFF with overviews, or to PNG."
)


class Worker:
    """One process, which does one task at a time."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process: asyncio.subprocess.Process | None = None
        self._done = 0

    @property
    def pid(self) -> int | None:
        """The process id; None while there is no process."""
        return self._process.pid if self._process else None

    async def start(self) -> asyncio.subprocess.Process:
        """Starts the process, unless it runs."""
        if self._process is None or self._process.returncode is not None:
            self._done = 0
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-E", "-s", "-m", "client.confinement", str(self._memory_bytes)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=ROOT,
                env=_environment(),
                limit=MAX_REPLY_BYTES,
            )
        return self._process

    async def perform(self, task: OpenTask | DrawTask, timeout_s: float) -> Reply:
        """Has the process do a task, and replaces it when it does not end, or when the caller gives up.

        Raises:
            SceneError: the file takes too long, or ended the process.
        """
        reply = None
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._ask(task)
        except TimeoutError:
            raise SceneError(
                f"The file takes longer than {timeout_s:g} s to read. "
                "Convert it to a tiled GeoTIFF with overviews, or cut out the part that matters."
            ) from None
        finally:
            self._done += 1
            if reply is None or self._done >= MAX_TASKS:
                await self.kill()
        return reply

    async def _ask(self, task: OpenTask | DrawTask) -> Reply:
        process = await self.start()
        assert process.stdin and process.stdout
        process.stdin.write(Job(task=task).model_dump_json().encode() + b"\n")
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise SceneError(BROKEN)
        return Reply.model_validate_json(line)

    async def kill(self) -> None:
        """Ends the process at once."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # Not only waited for but drained, so that the transports of its pipes are closed too.
        await process.communicate()


class WorkerPool:
    """A few workers, handed out one task at a time."""

    def __init__(self, size: int, memory_bytes: int, timeout_s: float) -> None:
        self._workers = [Worker(memory_bytes) for _ in range(size)]
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        for worker in reversed(self._workers):
            self._idle.put_nowait(worker)
        self._timeout_s = timeout_s

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def start(self) -> None:
        """Starts every worker, so that the first file need not wait for it."""
        await asyncio.gather(*(worker.start() for worker in self._workers))

    async def perform(self, task: OpenTask | DrawTask) -> Reply:
        """Has the next idle worker do a task.

        Raises:
            SceneError: the file cannot be read.
        """
        worker = await self._idle.get()
        try:
            reply = await worker.perform(task, self._timeout_s)
        finally:
            # Nothing is awaited here: a second cancellation would lose the worker. It starts anew with its next task.
            self._idle.put_nowait(worker)
        if reply.error is not None:
            raise SceneError(reply.error)
        return reply

    async def close(self) -> None:
        """Ends every worker."""
        for worker in self._workers:
            await worker.kill()


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {"OPENBLAS_NUM_THREADS": "1"}
