"""The client of one service: submit a job, watch it, have its result, cancel it.

async with JobClient(VQA, "https://example.modal.run") as client:
    job = await client.submit(request)
    completion = await job.result()
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx

from backend.contract import (
    COMPLETIONS_PATH,
    HEALTH_PATH,
    IDEMPOTENCY_KEY_HEADER,
    MODELS_PATH,
    SUBMIT_PATH,
    WARMUP_PATH,
    ChatRequest,
    Completion,
    Health,
    ModelList,
    Submitted,
)
from backend.services import ServiceSpec
from client.clock import Clock
from client.errors import (
    JobCancelled,
    JobExpired,
    JobFailed,
    ProtocolError,
)
from client.events import Cancelled, Done, Expired, Failed, JobEvent
from client.habits import ServiceHabits
from client.logbook import Logbook
from client.retry import RetryPolicy
from client.status import Answer, cancel, poll
from client.waiting import Wait
from client.wire import Credentials, Refused, Wire, pooled_http, read

DEFAULT_TIMEOUT_S = 600.0
"""Longest wait for a job, unless the caller says otherwise."""

REQUEST_TIMEOUT_S = 30.0
"""Longest silence of a service in answer to one request, in seconds."""

LOOK_TIMEOUT_S = 10.0
"""The same for the small requests behind a page's status display."""

LOOK_POLICY = RetryPolicy(attempts=2)


class JobClient:
    """One service at one address. Keeps one pool of connections; use it from one event loop."""

    def __init__(
        self,
        service: ServiceSpec,
        base_url: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        credentials: Credentials | None = None,
        http: httpx.AsyncClient | None = None,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            base_url: the service's address, without the path.
            timeout_s: longest wait for one job, from its submission, in seconds.
            http: connections to use; they stay open at `close`.
            request_timeout_s: longest silence of the service in answer to one request.

        Raises:
            InputError: `base_url` is no address.
        """
        self.service = service
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.clock = clock or Clock()
        self.retry = retry or RetryPolicy()
        self.habits = ServiceHabits(service, self.clock)
        self.logbook = Logbook(service, self.clock)
        """What was seen of the service."""
        self._http = http or pooled_http()
        self._closes_http = http is None
        self._wire = Wire(base_url, self._http, credentials)
        self._request_timeout_s = request_timeout_s

    async def submit(
        self, request: ChatRequest, *, idempotency_key: str | None = None, retry: RetryPolicy | None = None
    ) -> Job:
        """Submits a job and returns its handle. Tried again only with the same idempotency key.

        Args:
            idempotency_key: 1 to 200 printable ASCII characters without spaces; one is made when None.
            retry: how often to try; the client's own policy when None.

        Raises:
            InputError, AccessError, ProtocolError: it will not be taken as it is.
            ServiceUnreachable, ServiceBusy: it was not taken, after several tries.
            JobFailed: the service broke over it.
        """
        headers = {IDEMPOTENCY_KEY_HEADER: idempotency_key or uuid.uuid4().hex}
        body = encode_request(request)
        began = self.clock.now()
        async for attempt in (retry or self.retry).attempts_until(began + self.timeout_s, self.clock):
            with attempt:
                submitted = read(Submitted, await self._post(SUBMIT_PATH, body, self._request_timeout_s, headers))
        self.logbook.submitted(submitted.call_id, began)
        return Job(self, submitted.call_id, began_at=began, submitted_at=self.clock.now())

    def job(self, call_id: str) -> Job:
        """Returns the handle of a job that was submitted before, as after a reload of the page."""
        return Job(self, call_id, began_at=self.clock.now())

    async def complete(self, request: ChatRequest) -> Completion:
        """Asks the synchronous route, and returns when the answer is there. Not tried again: it has no key.

        Raises:
            NadirError: any but `JobGone` and `WaitTimeout`.
        """
        response = await self._post(COMPLETIONS_PATH, encode_request(request), self.timeout_s)
        return read(Completion, response)

    async def health(self) -> Health:
        """Returns what the service says of itself. Wakes no GPU.

        Raises:
            ServiceUnreachable, AccessError, ProtocolError.
        """
        self.logbook.health = read(Health, await self._look(HEALTH_PATH))
        return self.logbook.health

    async def models(self) -> ModelList | None:
        """Returns the service's models; None where it does not list them.

        Raises:
            ServiceUnreachable, AccessError.
        """
        try:
            return read(ModelList, await self._look(MODELS_PATH))
        except ProtocolError:
            return None

    async def warm_up(self) -> bool:
        """Has the service start a container, and returns at once: whether the service knows how to.

        Raises:
            ServiceUnreachable, ServiceBusy, AccessError.
        """
        try:
            await self._post(WARMUP_PATH, None, self._request_timeout_s)
        except ProtocolError:
            return False
        return True

    async def poll(self, call_id: str, wait_s: float = 0.0) -> Answer:
        """Polls a job once, without trying again. A service that can holds its answer for up to `wait_s`.

        Raises:
            ServiceUnreachable, ServiceBusy, GarbledAnswer: the same poll may succeed later.
            AccessError, ProtocolError: it will not.
        """
        answer = await poll(self._wire, call_id, wait_s=wait_s, timeout_s=self._request_timeout_s)
        self.logbook.heard(answer.event)
        return answer

    async def cancel(self, call_id: str) -> None:
        """Cancels a job. Cancelling one that has ended, or cancelling twice, is harmless.

        Raises:
            ServiceUnreachable, ServiceBusy, AccessError.
            ProtocolError: the service cannot cancel jobs.
        """
        async for attempt in self.retry.attempts_until(self.clock.now() + self.timeout_s, self.clock):
            with attempt:
                await cancel(self._wire, call_id, timeout_s=self._request_timeout_s)

    async def close(self) -> None:
        """Closes the connections, unless they were handed in."""
        if self._closes_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _post(
        self, path: str, body: bytes | None, timeout_s: float, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            return await self._wire.send("POST", path, body=body, timeout_s=timeout_s, headers=headers)
        except Refused as refused:
            if refused.status == httpx.codes.INTERNAL_SERVER_ERROR and refused.body:
                raise JobFailed(f"The service failed: {refused.body.error}") from refused
            raise

    async def _look(self, path: str) -> httpx.Response:
        deadline = self.clock.now() + 2 * LOOK_TIMEOUT_S
        async for attempt in LOOK_POLICY.attempts_until(deadline, self.clock):
            with attempt:
                response = await self._wire.send("GET", path, timeout_s=LOOK_TIMEOUT_S)
        return response


class Job:
    """A handle of one submitted job."""

    def __init__(self, client: JobClient, call_id: str, *, began_at: float, submitted_at: float | None = None) -> None:
        self.client = client
        self.call_id = call_id
        self._deadline = began_at + client.timeout_s
        self._submitted_at = submitted_at

    def events(
        self, *, timeout_s: float | None = None, live: bool = False, retry: RetryPolicy | None = None
    ) -> AsyncIterator[JobEvent]:
        """Yields what is heard of the job, at every poll and at every trouble, and ends with a final event.

        Args:
            timeout_s: how long to wait from now, in seconds; None for what the client allows from the submission.
                Even with 0 the job is polled once.
            live: whether somebody watches. Events then come about every second, and more often while the text grows.
            retry: how often to ask in vain, in a row; the client's own policy when None.

        Raises:
            WaitTimeout: the time ran out; the job is still there.
            ServiceUnreachable, ServiceBusy, GarbledAnswer: the service could not be asked, after several tries.
            AccessError, ProtocolError.
        """
        client = self.client
        return Wait(
            self.call_id,
            client.poll,
            habits=client.habits,
            retry=retry or client.retry,
            clock=client.clock,
            deadline=self._deadline if timeout_s is None else client.clock.now() + timeout_s,
            submitted_at=self._submitted_at,
            live=live,
        ).events()

    async def result(self, timeout_s: float | None = None, *, retry: RetryPolicy | None = None) -> Completion:
        """Waits for the job's end and returns its answer. The arguments are those of `events`.

        Raises:
            JobFailed, JobCancelled, JobExpired: it ended without one.
            WaitTimeout, ServiceUnreachable, ServiceBusy, AccessError, ProtocolError: as in `events`.
        """
        async for event in self.events(timeout_s=timeout_s, retry=retry):
            if event.is_final:
                return completion_of(event)
        raise AssertionError("events() ended without a final event")

    async def status(self) -> JobEvent:
        """Polls once, without holding, and returns what the service says.

        Raises:
            ServiceUnreachable, ServiceBusy, GarbledAnswer: the service could not be asked, after several tries.
            AccessError, ProtocolError.
        """
        client = self.client
        async for attempt in client.retry.attempts_until(client.clock.now() + client.timeout_s, client.clock):
            with attempt:
                answer = await client.poll(self.call_id)
        return answer.event

    async def cancel(self) -> None:
        """Cancels the job. Raises what `JobClient.cancel` raises."""
        await self.client.cancel(self.call_id)


def completion_of(event: JobEvent) -> Completion:
    """Returns the answer that a final event carries.

    Raises:
        JobFailed, JobCancelled, JobExpired: it carries none.
    """
    match event:
        case Done(completion=completion):
            return completion
        case Cancelled():
            raise JobCancelled(event.message, call_id=event.call_id)
        case Expired():
            raise JobExpired(event.message, call_id=event.call_id)
        case Failed():
            raise JobFailed(event.message, call_id=event.call_id)
    raise ValueError(f"{event} is not final")


def encode_request(request: ChatRequest) -> bytes:
    """Returns the request as JSON, without the fields that say nothing."""
    return request.model_dump_json(exclude_defaults=True).encode()
