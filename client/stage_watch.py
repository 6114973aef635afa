"""What the jobs of a batch are doing, asked only while somebody looks, and a few at a time.

The batch itself waits for ends alone, and has its polls held for long: a queued job that begins to run would not be
seen to.
"""

from __future__ import annotations

import asyncio
import itertools

from client.batch_rows import Rows, RowStage
from client.errors import NadirError
from client.jobs import JobClient

LOOK_LASTS_S = 3.0
"""How long after the last look somebody still counts as looking."""
PAUSE_S = 0.12
"""Between two questions; with 16 jobs in the queue each is asked about every 2 s."""
UNSETTLED = (RowStage.QUEUED, RowStage.STARTING)
"""Stages that are followed by others before the end."""


class StageWatch:
    """Looks at the jobs of one batch."""

    def __init__(self, client: JobClient, rows: Rows) -> None:
        self._client = client
        self._rows = rows
        self._until = 0.0
        self._asking: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Somebody looks now."""
        self._until = self._client.clock.now() + LOOK_LASTS_S
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_around())

    async def close(self) -> None:
        """Stops asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _ask_around(self) -> None:
        for turn in itertools.count():
            if self._client.clock.now() >= self._until:
                return
            rows = [row for row in self._rows if row.stage in UNSETTLED and row.call_id]
            if rows:
                row = rows[turn % len(rows)]
                await self._ask(row.call_id or "", row.job.id)
            await self._client.clock.sleep(PAUSE_S)

    async def _ask(self, call_id: str, job: str) -> None:
        try:
            answer = await self._client.poll(call_id)
        except NadirError:
            return
        row = self._rows[job]
        if row.call_id == call_id:
            self._rows.observe(row, answer.event)
