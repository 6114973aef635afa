"""What a GPU container does with a job: has the engine answer, tells the text so far, and never raises."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from pydantic import ValidationError

from backend.contract import ChatRequest, JSONObject
from backend.engines import Engine
from backend.queues.answering import answer_job, failed
from backend.queues.envelope import Envelope
from backend.queues.job_board import JobBoard
from backend.queues.live import LiveJob
from backend.queues.outcome import Outcome
from backend.services import ServiceSpec

REPORT_INTERVAL_S = 0.3
"""How often the text so far is told."""

TIMEOUT_MARGIN_S = 20
"""By how much the container gives up before Modal would kill the call, in seconds."""

log = logging.getLogger(__name__)


class Worker:
    """Answers the jobs of one service with an engine."""

    def __init__(
        self, service: ServiceSpec, engine: Engine, board: JobBoard, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._service = replace(service, timeout_s=service.timeout_s - TIMEOUT_MARGIN_S)
        self._engine = engine
        self._board = board
        self._clock = clock

    async def answer(self, call_id: str, body: JSONObject) -> JSONObject:
        """Runs a job to its end and returns an `Envelope` as plain JSON, whatever happens but a cancellation."""
        outcome = await self._run(call_id, body)
        return Envelope.of(outcome, self._clock()).model_dump(mode="json")

    async def _run(self, call_id: str, body: JSONObject) -> Outcome:
        try:
            request = ChatRequest.model_validate(body)
        except ValidationError as error:
            return failed("The GPU container is of another version than the gateway. Deploy both again.", error=error)
        job = LiveJob(call_id, run_id=call_id, created_at=self._clock())
        async with told_on_the_way(self._board, job):
            return await answer_job(
                job,
                request,
                engine=self._engine,
                service=self._service,
                now=self._clock,
                on_progress=lambda: None,
            )


@asynccontextmanager
async def told_on_the_way(board: JobBoard, job: LiveJob) -> AsyncIterator[None]:
    """Keeps telling the board the job's text so far, beside the answer and without holding it up."""
    telling = asyncio.ensure_future(_tell(board, job))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(board: JobBoard, job: LiveJob) -> None:
    told: str | None = None
    while True:
        text = job.partial
        if text != told:
            try:
                await board.report(job.call_id, text)
                told = text
            except Exception as error:
                log.warning("The text of job %s could not be told: %s", job.call_id, error)
        await asyncio.sleep(REPORT_INTERVAL_S)
