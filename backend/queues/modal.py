"""The queue of a deployed service: a job is a call of the GPU class's method, spawned and polled by its id.

Modal keeps the jobs, starts and stops the GPU, and keeps results for 7 days; the job board (`job_board.py`) adds what
Modal does not say. Nothing is kept in the gateway's memory, so any number of gateway containers serve the same jobs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import modal
from modal import exception as modal_error

from backend.contract import ChatRequest, Stage
from backend.queues import JobStatus, QueueFull, QueueUnavailable, UnknownJob
from backend.queues.envelope import Envelope
from backend.queues.job_board import JobBoard, Submission
from backend.queues.live import differs
from backend.services import ServiceSpec

NEWS_INTERVAL_S = 0.5
"""How often a held status request looks for new text."""

CONTROL_PLANE_TIMEOUT_S = 20
"""Longest that Modal may take for what a request needs of it, waiting for the job's end excluded."""

BACKLOG_RETRY_S = 30
"""How long a caller should wait when Modal takes no more jobs."""

ROAD_ERRORS = (
    modal_error.ServiceError,
    modal_error.InternalError,
    modal_error.ConnectionError,
    modal_error.ClientClosed,
    modal_error.AuthError,
    modal_error.PermissionDeniedError,
    OSError,
)
"""What says that Modal could not be asked, rather than something about a job."""


@dataclass(frozen=True)
class Ending:
    """How a call ended, as far as Modal knows."""

    stage: Stage
    envelope: Envelope | None = None
    error: str | None = None


class ModalQueue:
    """Spawns jobs on a deployed GPU class. See `JobQueue` for the methods."""

    engine_name = "vllm"

    def __init__(
        self,
        service: ServiceSpec,
        model_class: str,
        *,
        max_pixels: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.max_pixels = max_pixels
        self._service = service
        self._model: Any = modal.Cls.from_name(service.app_name, model_class)()
        self._board = JobBoard.of(service.app_name)
        self._clock = clock

    async def start(self) -> None:
        """Does nothing: Modal runs the jobs."""

    async def close(self) -> None:
        """Does nothing: Modal goes on running the jobs."""

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> str:
        async with self._control_plane():
            if idempotency_key and (known := await self._board.call_of(idempotency_key)):
                return known
            submission = Submission(submitted_at=self._clock())
            body = request.model_dump(mode="json", exclude_none=True)
            call = await self._model.answer.spawn.aio(body)
            call_id: str = call.object_id
            await self._board.record(call_id, submission)
            if idempotency_key is None:
                return call_id
            owner = await self._board.claim(idempotency_key, call_id)
            if owner != call_id:
                await call.cancel.aio()
            return owner

    async def status(self, call_id: str, *, wait_s: float = 0.0, seen: JobStatus | None = None) -> JobStatus:
        deadline = time.monotonic() + wait_s
        status = await self._look(call_id, hold_s=0.0)
        while not status.stage.is_final and (seen is None or not differs(status, seen)):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                break
            hold_s = remaining_s if seen is None else min(remaining_s, NEWS_INTERVAL_S)
            status = await self._look(call_id, hold_s=hold_s)
        return status

    async def cancel(self, call_id: str) -> JobStatus:
        status = await self._look(call_id, hold_s=0.0)
        if status.stage.is_final and status.stage is not Stage.CANCELLED:
            return status
        async with self._control_plane():
            submission = await self._submission(call_id)
            if submission.cancelled_at is None:
                # Before the call is stopped, so that whoever waits for it learns why it was.
                submission = Submission(submission.submitted_at, cancelled_at=self._clock())
                await self._board.record(call_id, submission)
            await modal.FunctionCall.from_id(call_id).cancel.aio()
        return _cancelled(call_id, submission)

    async def warm_up(self) -> None:
        async with self._control_plane():
            await self._model.warm.spawn.aio()

    async def _look(self, call_id: str, *, hold_s: float) -> JobStatus:
        """Tells what the job is doing, once it has ended or `hold_s` seconds have passed."""
        async with self._control_plane(hold_s):
            submission = await self._submission(call_id)
            ending = await ending_of(call_id, hold_s, self._service)
            if hold_s > 0:
                submission = await self._submission(call_id)
            if submission.cancelled_at is not None:
                return _cancelled(call_id, submission)
            if ending is None:
                return await self._pending(call_id, submission)
            return _ended(call_id, submission, ending)

    async def _submission(self, call_id: str) -> Submission:
        submission = await self._board.submission(call_id)
        if submission is None:
            raise UnknownJob(f"This service has no job {call_id}")
        return submission

    async def _pending(self, call_id: str, submission: Submission) -> JobStatus:
        elapsed_s = max(0.0, self._clock() - submission.submitted_at)
        text = await self._board.text(call_id)
        if text is not None:
            return JobStatus(call_id, Stage.RUNNING, elapsed_s=elapsed_s, partial=text)
        return JobStatus(call_id, await self._waiting_stage(), elapsed_s=elapsed_s)

    async def _waiting_stage(self) -> Stage:
        """Returns `queued` when a GPU with a loaded model is there, `starting` when there is none yet."""
        try:
            stats = await self._model.answer.get_current_stats.aio()
            if stats.num_total_runners == 0:
                return Stage.STARTING
        except modal_error.Error:
            pass  # The figure is a refinement; the board alone is right unless a container was killed.
        return Stage.QUEUED if await self._board.engine_stage() is Stage.RUNNING else Stage.STARTING

    @asynccontextmanager
    async def _control_plane(self, hold_s: float = 0.0) -> AsyncIterator[None]:
        """Turns what goes wrong between here and Modal into the queue's own errors."""
        try:
            async with asyncio.timeout(hold_s + CONTROL_PLANE_TIMEOUT_S):
                yield
        except modal_error.ResourceExhaustedError as error:
            raise QueueFull("Modal takes no more jobs right now. Try again later.", BACKLOG_RETRY_S) from error
        except modal_error.NotFoundError as error:
            message = f"The Modal app {self._service.app_name} is not deployed completely. Deploy it again."
            raise QueueUnavailable(message) from error
        except (modal_error.Error, OSError, TimeoutError) as error:
            raise QueueUnavailable(
                "Modal cannot be reached right now. The job is not lost; try again later."
            ) from error


async def ending_of(call_id: str, hold_s: float, service: ServiceSpec) -> Ending | None:
    """Tells how a call ended, waiting up to `hold_s` seconds for it; None when it has not.

    Raises:
        UnknownJob, and those of `ROAD_ERRORS`.
    """
    try:
        value = await modal.FunctionCall.from_id(call_id).get.aio(timeout=hold_s)
        return _opened(Envelope.model_validate(value))
    except TimeoutError:  # the builtin; none of Modal's own is one
        return None
    except modal_error.OutputExpiredError:
        return Ending(Stage.EXPIRED)
    except modal_error.NotFoundError as error:
        raise UnknownJob(f"Modal has no job {call_id}") from error
    except ROAD_ERRORS:
        raise
    except BaseException as error:
        if _is_ours(error):
            raise
        return Ending(Stage.FAILED, error=_failure(error, service))


def _is_ours(error: BaseException) -> bool:
    """Tells an interruption of this request from one that a container met and that Modal raised here again."""
    task = asyncio.current_task()
    interrupted = task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit) or (isinstance(error, asyncio.CancelledError) and interrupted)


def _failure(error: BaseException, service: ServiceSpec) -> str:
    match error:
        case modal_error.FunctionTimeoutError():
            return f"The job ran longer than {service.timeout_s} seconds and was stopped. Ask for fewer tokens."
        case modal_error.InternalFailure():
            return "Modal failed while the job ran. Submit it again."
        case modal_error.RemoteError() | modal_error.InputCancellation() | asyncio.CancelledError():
            return "The GPU container was stopped before the job was done. Submit it again."
        case _:
            detail = str(error) or type(error).__name__
            return f"The GPU container could not run the job: {detail.rstrip('.')}. See `modal app logs`."


def _opened(envelope: Envelope) -> Ending:
    stage = Stage.DONE if envelope.completion is not None else Stage.FAILED
    return Ending(stage, envelope=envelope)


def _ended(call_id: str, submission: Submission, ending: Ending) -> JobStatus:
    envelope = ending.envelope
    if envelope is None:
        return JobStatus(call_id, ending.stage, error=ending.error)
    elapsed_s = max(0.0, envelope.finished_at - submission.submitted_at)
    if envelope.completion is not None:
        return JobStatus(call_id, Stage.DONE, elapsed_s=elapsed_s, completion=envelope.completion)
    failure = envelope.error
    return JobStatus(
        call_id,
        Stage.FAILED,
        elapsed_s=elapsed_s,
        error=failure.error if failure else "The job ended without an answer",
        error_status=envelope.status,
        traceback=failure.traceback if failure else None,
    )


def _cancelled(call_id: str, submission: Submission) -> JobStatus:
    elapsed_s = None
    if submission.cancelled_at is not None:
        elapsed_s = max(0.0, submission.cancelled_at - submission.submitted_at)
    return JobStatus(call_id, Stage.CANCELLED, elapsed_s=elapsed_s)
