"""Submissions under way: those called off meanwhile are cancelled at the service once it has taken them."""

from __future__ import annotations

import asyncio
import logging

from backend.contract import ChatRequest
from client.errors import NadirError
from client.jobs import Job, JobClient
from client.retry import RetryPolicy

TAKE_BACK_S = 5.0
"""How long a caller waits for a submission to be taken back; it goes on after that."""

log = logging.getLogger(__name__)


class Submissions:
    """Submits the jobs of one batch, each known by its item's id."""

    def __init__(self, client: JobClient, retry: RetryPolicy) -> None:
        self._client = client
        self._retry = retry
        self._under_way: dict[str, asyncio.Task[Job]] = {}
        self._taken_back: dict[asyncio.Task[Job], asyncio.Task[None]] = {}

    async def submit(self, item_id: str, request: ChatRequest, key: str) -> Job:
        """Submits a job. A cancellation stops that, unless the job is being taken back.

        Raises:
            NadirError: as `JobClient.submit`.
        """
        submission = asyncio.create_task(self._client.submit(request, idempotency_key=key, retry=self._retry))
        self._under_way[item_id] = submission
        try:
            return await asyncio.shield(submission)
        except asyncio.CancelledError:
            if submission not in self._taken_back:
                submission.cancel()
                await asyncio.wait({submission})
            raise
        finally:
            del self._under_way[item_id]

    async def take_back(self, item_id: str) -> None:
        """Has a job cancelled whose submission is under way. Harmless when none is."""
        if submission := self._under_way.get(item_id):
            taking_back = self._taken_back[submission] = asyncio.create_task(self._cancel_after(submission))
            await asyncio.wait({taking_back}, timeout=TAKE_BACK_S)

    async def drain(self) -> None:
        """Returns once all that was taken back is cancelled, or the service did not answer."""
        await asyncio.gather(*self._taken_back.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stops taking back."""
        for taking_back in self._taken_back.values():
            taking_back.cancel()
        await self.drain()

    async def _cancel_after(self, submission: asyncio.Task[Job]) -> None:
        try:
            job = await submission
            await self._client.cancel(job.call_id)
        except NadirError as error:
            log.info("A job that was called off while it was sent may still be carried out: %s", error)
