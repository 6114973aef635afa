"""A process that answers jobs, for tests that kill it: `python -m tests.backend.queues.worker DATA_DIR DATABASE_URL`.

It notes each run in `DATA_DIR/runs`, and answers only once `DATA_DIR/gate` exists.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from backend.contract import ChatRequest
from backend.engines import Answer, EngineEvent, TextPiece
from backend.queues.durable import DurableStore
from backend.services import CAPTIONING
from tests.backend.queues.fakes import FakeEngine, eventually


class FileGatedEngine(FakeEngine):
    """Says half of its answer, and the rest once the gate is there."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__()
        self.data_dir = data_dir

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        with (self.data_dir / "runs").open("a") as runs:
            runs.write(f"{os.getpid()} {request.prompt} {len(request.image_urls)}\n")
        yield TextPiece("half ")
        await eventually(lambda: asyncio.sleep(0.02, (self.data_dir / "gate").exists()), bool)
        yield Answer(f"answered: {request.prompt}")


async def work(data_dir: Path, database_url: str | None) -> None:
    """Answers jobs until it is killed."""
    store = DurableStore(data_dir=data_dir, database_url=database_url)
    store.queue(CAPTIONING, FileGatedEngine(data_dir), concurrency=2)
    await store.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
