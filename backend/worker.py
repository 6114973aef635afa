"""What a GPU container does with a job: has the engine answer, tells the text so far, and never raises."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import cast

from backend.contract import AnswerMessage, ChatRequest, Choice, Completion, ErrorBody, JSONObject
from backend.engines import Answer, Engine, EngineError, EngineEvent, EngineUnavailable, RequestRefused, TextPiece
from backend.queues.envelope import Envelope
from backend.queues.job_board import JobBoard
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
        self._service = service
        self._engine = engine
        self._board = board
        self._clock = clock

    async def answer(self, call_id: str, body: JSONObject) -> JSONObject:
        """Runs a job to its end and returns an `Envelope` as plain JSON, whatever happens but a cancellation."""
        try:
            async with asyncio.timeout(self._service.timeout_s - TIMEOUT_MARGIN_S):
                request = fill_in(ChatRequest.model_validate(body), self._service)
                answer = await self._run(call_id, request)
            envelope = self._done(call_id, answer)
        except Exception as error:
            log.warning("Job %s failed", call_id, exc_info=error)
            envelope = self._failed(error)
        return envelope.model_dump(mode="json")

    async def _run(self, call_id: str, request: ChatRequest) -> Answer:
        pieces: list[str] = []
        async with (
            aclosing(cast(AsyncGenerator[EngineEvent, None], self._engine.answer(request))) as events,
            told_on_the_way(self._board, call_id, lambda: "".join(pieces)),
        ):
            async for event in events:
                if isinstance(event, TextPiece):
                    pieces.append(event.text)
                elif isinstance(event, Answer):
                    return event
        raise EngineError("The engine stopped before its answer was complete")

    def _done(self, call_id: str, answer: Answer) -> Envelope:
        now = self._clock()
        choice = Choice(message=AnswerMessage(content=answer.text), finish_reason=answer.finish_reason)
        completion = Completion(
            id=f"chatcmpl-{call_id}",
            created=int(now),
            model=self._service.model,
            choices=[choice],
            usage=answer.usage,
        )
        return Envelope(status=200, completion=completion, finished_at=now)

    def _failed(self, error: Exception) -> Envelope:
        trace = "".join(traceback.format_exception(error))
        body = ErrorBody(error=self._explanation(error), traceback=trace)
        return Envelope(status=_status_of(error), error=body, finished_at=self._clock())

    def _explanation(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                limit_s = self._service.timeout_s - TIMEOUT_MARGIN_S
                return f"The answer was not complete after {limit_s} seconds. Ask for fewer tokens."
            case EngineError():
                return str(error)
            case _:
                return f"The GPU container met an unexpected error: {type(error).__name__}. Submit the job again."


def fill_in(request: ChatRequest, service: ServiceSpec) -> ChatRequest:
    """Returns the request with the service's defaults where the caller said nothing."""
    return request.model_copy(
        update={
            "max_tokens": request.max_completion_tokens or request.max_tokens or service.max_tokens,
            "max_completion_tokens": None,
            "temperature": service.temperature if request.temperature is None else request.temperature,
        }
    )


def _status_of(error: Exception) -> int:
    match error:
        case RequestRefused():
            return 400
        case EngineUnavailable():
            return 503
        case _:
            return 500


@asynccontextmanager
async def told_on_the_way(board: JobBoard, call_id: str, text: Callable[[], str]) -> AsyncIterator[None]:
    """Keeps telling the board the text so far, beside the answer and without holding it up."""
    telling = asyncio.ensure_future(_tell(board, call_id, text))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(board: JobBoard, call_id: str, text: Callable[[], str]) -> None:
    told: str | None = None
    while True:
        news = text()
        if news != told:
            try:
                await board.report(call_id, news)
                told = news
            except Exception as error:
                log.warning("The text of job %s could not be told: %s", call_id, error)
        await asyncio.sleep(REPORT_INTERVAL_S)
