"""One run of one job: the engine's events become progress, and its end becomes the job's outcome."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from backend.contract import AnswerMessage, ChatRequest, Choice, Completion, Stage
from backend.engines import (
    Answer,
    Engine,
    EngineError,
    EngineEvent,
    EngineFailed,
    EngineUnavailable,
    RequestRefused,
    Starting,
    TextPiece,
)
from backend.queues.live import LiveJob
from backend.queues.outcome import Outcome
from backend.services import ServiceSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logger = logging.getLogger(__name__)

ERROR_STATUSES = {RequestRefused: 400, EngineFailed: 500, EngineUnavailable: 503}
"""HTTP status of a job that failed for this reason."""


def fill_in(request: ChatRequest, service: ServiceSpec) -> ChatRequest:
    """Returns the request as an engine wants it: the service's defaults stand where the caller said nothing."""
    max_tokens = request.max_completion_tokens or request.max_tokens or service.max_tokens
    temperature = service.temperature if request.temperature is None else request.temperature
    return request.model_copy(
        update={
            "model": service.model,
            "max_tokens": max_tokens,
            "max_completion_tokens": None,
            "temperature": temperature,
        }
    )


async def answer_job(
    job: LiveJob,
    request: ChatRequest,
    *,
    engine: Engine,
    service: ServiceSpec,
    now: Callable[[], float],
    on_progress: Callable[[], None],
) -> Outcome:
    """Has the engine answer and returns how that ended; `job` shows the progress. Raises nothing but cancellation."""
    try:
        async with asyncio.timeout(service.timeout_s):
            answer = await _listen(engine, fill_in(request, service), job, on_progress)
    except EngineError as error:
        return failed(str(error), status=ERROR_STATUSES.get(type(error), 500), error=error)
    except TimeoutError as error:
        return failed(_too_slow(job.call_id, service), error=error)
    except Exception as error:
        logger.exception("Job %s of %s broke", job.call_id, service.key)
        return failed(_broken(job.call_id), error=error)
    return Outcome(Stage.DONE, completion=_completion(job.call_id, service.model, answer, created=int(now())))


def failed(sentence: str, *, status: int = 500, error: Exception | None = None) -> Outcome:
    """Returns the outcome of a job that ended without an answer; the traceback is for the operator."""
    lines = traceback.format_exception(error) if error else None
    return Outcome(Stage.FAILED, error=sentence, error_status=status, traceback="".join(lines) if lines else None)


async def _listen(engine: Engine, request: ChatRequest, job: LiveJob, on_progress: Callable[[], None]) -> Answer:
    async with _closing(engine.answer(request)) as events:
        async for event in events:
            match event:
                case Answer():
                    return event
                case Starting():
                    job.advance(Stage.STARTING)
                case TextPiece(text):
                    job.advance(Stage.RUNNING, text)
            on_progress()
    raise EngineFailed("The engine stopped before its answer was whole. Submit the job again.")


@asynccontextmanager
async def _closing(events: AsyncIterator[EngineEvent]) -> AsyncIterator[AsyncIterator[EngineEvent]]:
    try:
        yield events
    finally:
        # Only generators have it, and closing is how a generator's work is stopped.
        if aclose := getattr(events, "aclose", None):
            await aclose()


def _completion(call_id: str, model: str, answer: Answer, *, created: int) -> Completion:
    choice = Choice(message=AnswerMessage(content=answer.text), finish_reason=answer.finish_reason)
    return Completion(id=f"chatcmpl-{call_id}", created=created, model=model, choices=[choice], usage=answer.usage)


def _too_slow(call_id: str, service: ServiceSpec) -> str:
    return (
        f"Job {call_id} ran longer than {service.timeout_s} s, the most that one job may take, and was stopped. "
        "Submit it again with a smaller image or fewer tokens."
    )


def _broken(call_id: str) -> str:
    return (
        f"Job {call_id} broke for a reason that lies within the service. "
        "Submit it again; if it breaks again, give the operator this id."
    )
