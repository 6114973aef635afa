"""What the gateway answers: the status of a job, and errors, as HTTP responses of the contract."""

from __future__ import annotations

import logging
import math
import traceback as tracebacks
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.contract import (
    CANCELLED_MESSAGE,
    EXPIRED_MESSAGE,
    RETRY_AFTER_HEADER,
    UNKNOWN_MESSAGE,
    ErrorBody,
    Pending,
    Stage,
)
from backend.queues import JobStatus, QueueError, QueueFull, UnknownJob
from backend.validation import BadRequest, describe_errors

RETRY_UNAVAILABLE_S = 5
"""How long a caller is asked to wait when the queue or the engine cannot be reached, in seconds."""

DO_NOT_RETRY = {"x-should-retry": "false"}
"""Header that OpenAI's SDKs obey: a job that failed would only be run, and fail, again."""

UNEXPECTED_MESSAGE = "The service met an unexpected problem and logged it. Try again; if it stays, tell its operator."

log = logging.getLogger(__name__)

_RETRY_PENDING_S = {Stage.QUEUED: 2, Stage.STARTING: 2, Stage.RUNNING: 1}


class Refusal(Exception):
    """The gateway does not take this call. Becomes an error answer with this status and sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def model_answer(model: BaseModel, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> JSONResponse:
    """Returns a model of the contract as a response, absent fields left out."""
    return JSONResponse(model.model_dump(mode="json", exclude_none=True), status_code=status, headers=headers)


def error_answer(
    status: int,
    message: str,
    *,
    traceback: str | None = None,
    retry_after_s: float | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Returns an error of the contract as a response."""
    headers = dict(headers or {})
    if retry_after_s is not None:
        headers[RETRY_AFTER_HEADER] = str(max(1, math.ceil(retry_after_s)))
    return JSONResponse(ErrorBody(error=message, traceback=traceback).model_dump(), status_code=status, headers=headers)


def queue_error_answer(error: QueueError) -> JSONResponse:
    """Returns what a caller is told when the queue refused: 404, 429 or 503."""
    if isinstance(error, UnknownJob):
        return error_answer(HTTPStatus.NOT_FOUND, str(error) or UNKNOWN_MESSAGE)
    if isinstance(error, QueueFull):
        return error_answer(HTTPStatus.TOO_MANY_REQUESTS, str(error), retry_after_s=error.retry_after_s)
    return error_answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_after_s=RETRY_UNAVAILABLE_S)


def job_answer(job: JobStatus, *, failure_status: int | None = None, show_traceback: bool = False) -> JSONResponse:
    """Returns the job's result, its state, or why there is none, as a response.

    `failure_status` is the HTTP status of a failed job; 500 when None, which a poller takes for the job's end.
    """
    match job.stage:
        case Stage.DONE if job.completion is not None:
            return model_answer(job.completion)
        case Stage.FAILED:
            return _failure_answer(job, failure_status or HTTPStatus.INTERNAL_SERVER_ERROR, show_traceback)
        case Stage.CANCELLED:
            return error_answer(HTTPStatus.NOT_FOUND, CANCELLED_MESSAGE)
        case Stage.EXPIRED | Stage.DONE:
            return error_answer(HTTPStatus.NOT_FOUND, EXPIRED_MESSAGE)
    return _pending_answer(job)


def failure_message(job: JobStatus) -> str:
    """Returns the sentence for a job that ended without a result."""
    match job.stage:
        case Stage.CANCELLED:
            return CANCELLED_MESSAGE
        case Stage.EXPIRED:
            return EXPIRED_MESSAGE
    return job.error or "The job failed without saying why."


def _failure_answer(job: JobStatus, status: int, show_traceback: bool) -> JSONResponse:
    retryable = status == HTTPStatus.SERVICE_UNAVAILABLE
    return error_answer(
        status,
        failure_message(job),
        traceback=job.traceback if show_traceback else None,
        retry_after_s=RETRY_UNAVAILABLE_S if retryable else None,
        headers=None if retryable else DO_NOT_RETRY,
    )


def _pending_answer(job: JobStatus) -> JSONResponse:
    pending = Pending(
        call_id=job.call_id,
        stage=job.stage,
        position=job.position if job.stage is Stage.QUEUED else None,
        elapsed=None if job.elapsed_s is None else round(max(0.0, job.elapsed_s), 3),
        partial=(job.partial or None) if job.stage is Stage.RUNNING else None,
    )
    headers = {RETRY_AFTER_HEADER: str(_RETRY_PENDING_S[job.stage])}
    return model_answer(pending, HTTPStatus.ACCEPTED, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Has every error that a route raises, and every path that is no route, answered in the contract's form."""
    handlers: dict[type[Exception], Callable[[Request, Any], Response]] = {
        BadRequest: lambda _, error: error_answer(HTTPStatus.BAD_REQUEST, str(error)),
        Refusal: lambda _, error: error_answer(error.status, str(error)),
        QueueError: lambda _, error: queue_error_answer(error),
        RequestValidationError: _invalid_parameters_answer,
        HTTPException: _routing_answer,
        ClientDisconnect: lambda _, error: error_answer(HTTPStatus.BAD_REQUEST, "The caller left."),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _asynchronous(handler))


def _asynchronous(
    handler: Callable[[Request, Any], Response],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return handler(request, error)

    return handle


def _invalid_parameters_answer(request: Request, error: RequestValidationError) -> Response:
    sentence = describe_errors(error.errors(), {"query": dict(request.query_params)})
    return error_answer(HTTPStatus.BAD_REQUEST, sentence.removeprefix("query."))


def _routing_answer(request: Request, error: HTTPException) -> Response:
    reasons = {
        HTTPStatus.NOT_FOUND: "There is no such route here; /docs lists those that there are.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"This route does not take {request.method}; /docs says what it takes.",
    }
    message = reasons.get(HTTPStatus(error.status_code), str(error.detail))
    return error_answer(error.status_code, message, headers=dict(error.headers or {}))


class UnexpectedErrors:
    """ASGI middleware that answers what no handler expected with a 500 of the contract, and logs it.

    It sits within the CORS middleware, unlike Starlette's own, so that pages of other origins can read the answer.
    """

    def __init__(self, app: ASGIApp, show_tracebacks: bool = False) -> None:
        self.app = app
        self.show_tracebacks = show_tracebacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app."""
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception:
            if has_begun or scope["type"] != "http":
                raise
            log.exception("Unexpected error at %s %s", scope["method"], scope["path"])
            shown = tracebacks.format_exc() if self.show_tracebacks else None
            answer = error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED_MESSAGE, traceback=shown)
            await answer(scope, receive, send)
