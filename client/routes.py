"""REST routes for fire-and-forget jobs on an app's own server. Each returns at once; the services do the waiting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from backend.contract import IDEMPOTENCY_KEY_HEADER, RETRY_AFTER_HEADER, ErrorBody
from client.errors import InputError, JobGone, NadirError, ServiceBusy, TryAgainError
from client.events import Cancelled, Done, Expired, Failed, JobEvent
from client.jobs import JobClient
from client.modal_service import request_for
from client.retry import RetryPolicy

AT_ONCE = RetryPolicy(attempts=2, max_pause_s=0.5)
"""A route that returns at once tries again once; the caller knows best how long to go on."""

STATUS_OF: dict[type[NadirError], int] = {InputError: 400, JobGone: 404, ServiceBusy: 429, TryAgainError: 503}
"""HTTP status of each error, the first that fits; 502 for what is wrong between this server and the service."""


class JobAsked(BaseModel):
    """What to ask about which image. The same names as query parameters do too."""

    image_url: str
    """A `data:` URL, or a URL of a host that the service allows."""
    question: str | None = None
    prompt: str | None = None


class JobAccepted(BaseModel):
    """The answer to a submission."""

    call_id: str
    status: Literal["pending"] = "pending"
    poll_url: str


class JobState(BaseModel):
    """The answer to a status request: `answer` when completed, `error` when there is none."""

    status: Literal["pending", "completed", "error"]
    call_id: str
    answer: str | None = None
    error: str | None = None


def background_routes(*clients: JobClient) -> APIRouter:
    """Returns `POST /api/{service}/async` and `GET /api/{service}/status/{call_id}` for the service of each client."""
    router = APIRouter(prefix="/api", tags=["background jobs"])
    for client in clients:
        _add_routes(router, client)
    return router


def _add_routes(router: APIRouter, client: JobClient) -> None:
    key = client.service.key

    async def submit(
        request: Request,
        image_url: Annotated[str | None, Query()] = None,
        question: Annotated[str | None, Query()] = None,
        prompt: Annotated[str | None, Query()] = None,
        asked: Annotated[JobAsked | None, Body()] = None,
        idempotency_key: Annotated[str | None, Header(alias=IDEMPOTENCY_KEY_HEADER)] = None,
    ) -> JSONResponse:
        """Submits a job and answers its call id at once."""
        if asked is None and image_url is not None:
            asked = JobAsked(image_url=image_url, question=question, prompt=prompt)
        try:
            call_id = await _submit(client, asked, idempotency_key)
        except NadirError as error:
            return _error_answer(error)
        poll_url = f"{request.scope.get('root_path', '')}/api/{key}/status/{call_id}"
        return JSONResponse(JobAccepted(call_id=call_id, poll_url=poll_url).model_dump())

    async def status(call_id: str) -> JSONResponse:
        """Says whether the job is over, and its answer."""
        try:
            state = _state((await client.poll(call_id)).event)
        except NadirError as error:
            return _error_answer(error)
        return JSONResponse(state.model_dump(exclude_none=True))

    errors: dict[int | str, dict[str, Any]] = {code: {"model": ErrorBody} for code in (400, 429, 502, 503)}
    router.add_api_route(f"/{key}/async", submit, methods=["POST"], response_model=JobAccepted, responses=errors)
    router.add_api_route(f"/{key}/status/{{call_id}}", status, response_model=JobState, responses=errors)


async def _submit(client: JobClient, asked: JobAsked | None, idempotency_key: str | None) -> str:
    service = client.service
    if asked is None:
        raise InputError("There is no image. Send image_url, and question or prompt.")
    prompt = asked.question or asked.prompt or service.default_prompt
    request = request_for(service, asked.image_url, prompt, service.max_tokens, service.temperature)
    job = await client.submit(request, idempotency_key=idempotency_key, retry=AT_ONCE)
    return job.call_id


def _state(event: JobEvent) -> JobState:
    match event:
        case Done(call_id, completion):
            return JobState(status="completed", call_id=call_id, answer=completion.text)
        case Failed(message=message) | Cancelled(message=message) | Expired(message=message):
            return JobState(status="error", call_id=event.call_id, error=message)
    return JobState(status="pending", call_id=event.call_id)


def _error_answer(error: NadirError) -> JSONResponse:
    code = next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 502)
    headers = {}
    if isinstance(error, TryAgainError):
        headers[RETRY_AFTER_HEADER] = str(max(1, round(error.retry_after_s or 1)))
    return JSONResponse(ErrorBody(error=str(error)).model_dump(), status_code=code, headers=headers)
