"""The HTTP gateway: one service's contract over a job queue. Knows neither Modal nor SQLite nor vLLM."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from starlette.middleware import Middleware

from backend.answers import Refusal, UnexpectedErrors, add_error_handlers, job_answer, model_answer
from backend.body import read_body
from backend.contract import (
    COMPLETIONS_PATH,
    HEALTH_PATH,
    IDEMPOTENCY_KEY_HEADER,
    MAX_OUTPUT_TOKENS,
    MAX_WAIT_S,
    MODEL_PATH,
    MODELS_PATH,
    RETRY_AFTER_HEADER,
    STATUS_PATH,
    SUBMIT_PATH,
    UNKNOWN_MESSAGE,
    WARMUP_PATH,
    ChatRequest,
    Health,
    ModelCard,
    ModelList,
    Submitted,
    WarmUp,
)
from backend.live import KEEP_ALIVE_S, JobStream, LiveJob, unless_disconnected
from backend.queues import JobQueue, UnknownJob
from backend.reference import DocumentedAPI, add_reference, document_routes
from backend.services import ServiceSpec
from backend.settings import MIB
from backend.validation import BadRequest, parse_request

MAX_REQUEST_BYTES = 30 * MIB
"""Largest request body, unless the operator says otherwise."""

MAX_KEY_CHARS = 200
"""Longest idempotency key."""

CONCURRENT_CHECKS = 4
"""Bodies that are unpacked and checked at once, so that many large ones cannot take all of the memory."""

_CALL_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARS}}}")


_CallId = Annotated[str, Path(description="The `call_id` that the submission answered.")]
_IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY_HEADER,
        description="The same key gives the same `call_id`: a submission may be repeated after a timeout.",
    ),
]
_Wait = Annotated[
    float,
    Query(
        ge=0,
        allow_inf_nan=False,
        description=f"Hold the answer until the job ends, but at most this many seconds, and {MAX_WAIT_S} at most.",
    ),
]


@dataclass(frozen=True)
class GatewayOptions:
    """What an operator may set about a gateway."""

    max_request_bytes: int = MAX_REQUEST_BYTES
    image_hosts: Collection[str] = ()
    """Lower-case hosts whose `http(s)` image URLs are passed to the engine."""
    show_tracebacks: bool = False
    keep_alive_s: float = KEEP_ALIVE_S
    """Longest silence of a streamed answer, in seconds."""


def create_gateway(service: ServiceSpec, queue: JobQueue, options: GatewayOptions | None = None) -> FastAPI:
    """Returns the HTTP app of one service.

    It works at the root of a host and mounted under a path of another app. The caller starts and closes the queue.
    """
    options = options or GatewayOptions()
    app = DocumentedAPI(
        title=f"Nadir: {service.title}",
        summary=f"Asynchronous and OpenAI-compatible access to {service.model}.",
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=[RETRY_AFTER_HEADER],
            ),
            Middleware(UnexpectedErrors, show_tracebacks=options.show_tracebacks),
        ],
    )
    _add_routes(app, _Gateway(service, queue, options), service)
    add_error_handlers(app)
    add_reference(app)
    return app


class _Gateway:
    """The routes' bodies."""

    def __init__(self, service: ServiceSpec, queue: JobQueue, options: GatewayOptions) -> None:
        self._service = service
        self._queue = queue
        self._options = options
        self._checks = anyio.CapacityLimiter(CONCURRENT_CHECKS)

    async def submit(self, request: Request, idempotency_key: _IdempotencyKey = None) -> Response:
        """Takes a job and answers its call id at once. Poll its status for the result."""
        if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
            message = (
                f"{IDEMPOTENCY_KEY_HEADER} must be 1 to {MAX_KEY_CHARS} printable ASCII characters without spaces."
            )
            raise BadRequest(message)
        checked = await self._read(request)
        call_id = await self._queue.submit(checked, idempotency_key=idempotency_key)
        return model_answer(Submitted(call_id=call_id, model=self._service.model))

    async def status(self, call_id: _CallId, wait: _Wait = 0.0) -> Response:
        """Answers the job's result (200), what it is doing (202), or why there is no result."""
        job = await self._queue.status(_checked_id(call_id), wait_s=min(wait, MAX_WAIT_S))
        return job_answer(job, show_traceback=self._options.show_tracebacks)

    async def cancel(self, call_id: _CallId) -> Response:
        """Cancels the job unless it has ended, and answers as a later poll will: 404, or the result of an ended job."""
        job = await self._queue.cancel(_checked_id(call_id))
        return job_answer(job, show_traceback=self._options.show_tracebacks)

    async def complete(self, request: Request) -> Response:
        """Answers when the job has ended, or with `stream: true` while it runs. Leaving cancels the job."""
        checked = await self._read(request)
        job = LiveJob(self._queue, await self._queue.submit(checked))
        try:
            if checked.stream:
                return await self._stream(request, job, checked)
            status = await unless_disconnected(request, job.end())
        except BaseException:
            await job.release()
            raise
        return job_answer(status, failure_status=status.error_status, show_traceback=self._options.show_tracebacks)

    async def _stream(self, request: Request, job: LiveJob, checked: ChatRequest) -> Response:
        # Held until the first sign of the job, so that one that is refused at once gets its HTTP status.
        keep_alive_s = self._options.keep_alive_s
        status = await unless_disconnected(request, job.first_sign(keep_alive_s))
        if status.stage.is_final and status.completion is None:
            return job_answer(status, failure_status=status.error_status)
        include_usage = checked.stream_options is not None and checked.stream_options.include_usage
        return JobStream(job, self._service.model, include_usage=include_usage, keep_alive_s=keep_alive_s)

    async def health(self) -> Response:
        """Says that the gateway is up and which engine answers. Never starts a GPU."""
        return model_answer(Health(model=self._service.model, engine=self._queue.engine_name))

    async def warm_up(self) -> Response:
        """Has the engine load its model, and answers at once."""
        await self._queue.warm_up()
        return model_answer(WarmUp(model=self._service.model), HTTPStatus.ACCEPTED)

    async def models(self) -> Response:
        """Lists the one model of the service."""
        return model_answer(ModelList(data=[self._card()]))

    async def model(self, model: str) -> Response:
        """Describes the model of the service."""
        if model != self._service.model:
            raise Refusal(HTTPStatus.NOT_FOUND, f'This service has one model, "{self._service.model}".')
        return model_answer(self._card())

    def _card(self) -> ModelCard:
        return ModelCard(id=self._service.model, max_pixels=self._queue.max_pixels, max_output_tokens=MAX_OUTPUT_TOKENS)

    async def _read(self, request: Request) -> ChatRequest:
        body = await read_body(request, self._options.max_request_bytes)
        check = partial(parse_request, body, self._service, self._options.image_hosts)
        return await anyio.to_thread.run_sync(check, limiter=self._checks)


def _add_routes(app: FastAPI, gateway: _Gateway, service: ServiceSpec) -> None:
    documented = document_routes(service)

    def add(method: str, path: str, endpoint: Callable[..., Awaitable[Response]]) -> None:
        app.add_api_route(path, endpoint, methods=[method], **documented[method, path])

    add("POST", SUBMIT_PATH, gateway.submit)
    add("GET", STATUS_PATH, gateway.status)
    add("DELETE", STATUS_PATH, gateway.cancel)
    add("POST", COMPLETIONS_PATH, gateway.complete)
    add("GET", HEALTH_PATH, gateway.health)
    add("POST", WARMUP_PATH, gateway.warm_up)
    add("GET", MODELS_PATH, gateway.models)
    add("GET", MODEL_PATH, gateway.model)


def _checked_id(call_id: str) -> str:
    if not _CALL_ID.fullmatch(call_id):
        raise UnknownJob(UNKNOWN_MESSAGE)
    return call_id
