"""One exchange with a service: a request goes out, and a checked answer or an error of the client's tree comes back.

Nothing here is tried twice, but the errors tell what may be: `TryAgainError` and `GarbledAnswer` come from a bad road
or a busy service; every other error is the service's last word.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from backend.contract import RETRY_AFTER_HEADER, ErrorBody
from client.errors import (
    AccessError,
    GarbledAnswer,
    InputError,
    NadirError,
    ProtocolError,
    ServiceBusy,
    ServiceUnreachable,
)
from client.transport import AiohttpTransport

CONNECT_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 60.0
MAX_REDIRECTS = 20
"""Enough for a synchronous request that is redirected every 150 s, for the longest job."""

HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "nadir-client"}

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Credentials:
    """A Modal proxy token, for a protected deployment."""

    key: str
    secret: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry it."""
        return {"Modal-Key": self.key, "Modal-Secret": self.secret}


def pooled_http() -> httpx.AsyncClient:
    """Returns an HTTP client that keeps its connections, wide enough for a batch of held requests."""
    return httpx.AsyncClient(transport=AiohttpTransport())


class Wire:
    """The road to one service."""

    def __init__(self, base_url: str, http: httpx.AsyncClient, credentials: Credentials | None) -> None:
        try:
            self._base_url = httpx.URL(base_url.rstrip("/"))
        except httpx.InvalidURL:
            raise InputError(f"{base_url!r} is not an address. It begins with http:// or https://.") from None
        if self._base_url.scheme not in ("http", "https") or not self._base_url.host:
            raise InputError(f"{base_url!r} is not an address. It begins with http:// or https://.")
        self._http = http
        self._secret_headers = credentials.headers if credentials else {}

    async def send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Returns the answer of a 2xx status, redirects followed.

        Raises:
            ServiceUnreachable, ServiceBusy, GarbledAnswer: the same call may succeed later.
            Refused: a 404, 405 or 500 in JSON, whose meaning depends on what was asked.
            InputError, AccessError, ProtocolError: it will not.
        """
        timeout = {"connect": CONNECT_TIMEOUT_S, "write": WRITE_TIMEOUT_S, "read": timeout_s, "pool": None}
        request = httpx.Request(
            method,
            f"{self._base_url}{path}",
            content=body,
            headers={**HEADERS, **self._secret_headers, **(headers or {})},
            extensions={"timeout": timeout},
        )
        response = await self._follow(request)
        if not response.is_success:
            raise refusal(response)
        return response

    async def _follow(self, request: httpx.Request) -> httpx.Response:
        for _ in range(MAX_REDIRECTS):
            response = await self._exchange(request)
            if response.next_request is None:
                return response
            if response.status_code in (301, 302) and request.method == "POST":
                raise ProtocolError(f"The service moved to {response.next_request.url}. Set its address to that.")
            request = self._onward(response.next_request)
        raise ProtocolError(f"{self._base_url.host} redirects in circles. Check the service's address.")

    def _onward(self, onward: httpx.Request) -> httpx.Request:
        if (onward.url.scheme, onward.url.netloc) != (self._base_url.scheme, self._base_url.netloc):
            for name in self._secret_headers:
                onward.headers.pop(name, None)
        return onward

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        try:
            return await self._http.send(request, follow_redirects=False)
        except httpx.TimeoutException:
            raise ServiceUnreachable(f"{host} did not answer in time. Try again in a moment.") from None
        except httpx.ConnectError as error:
            raise _no_connection(host, error) from error
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ProtocolError(f"{host} cannot be asked: {error}. Check the service's address.") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ServiceUnreachable(f"The connection to {host} broke. Try again in a moment.") from error
        except httpx.InvalidURL as error:
            raise ProtocolError(f"{host} redirects to a broken address. Check the service's address.") from error


class Refused(ProtocolError):
    """The service said no, in JSON. What that means depends on what it was asked, so `jobs` gives it its meaning."""

    def __init__(self, host: str, status: int, body: ErrorBody | None) -> None:
        super().__init__(body.error if body else _not_ours(host, status))
        self.status = status
        self.body = body
        """The contract's error; None where the JSON is something else, as a web framework's own answer is."""


def read(model: type[ModelT], response: httpx.Response) -> ModelT:
    """Returns the answer's body as `model`.

    Raises:
        GarbledAnswer: it is no JSON, is cut off, or is something else.
    """
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        host = response.request.url.host
        raise GarbledAnswer(
            f"{host} answers, but not as a Nadir service does. Check the service's address, or try again in a moment."
        ) from None


def refusal(response: httpx.Response) -> NadirError:
    """Returns the error that an answer outside 2xx stands for."""
    host, status = response.request.url.host, response.status_code
    said = _error_body(response)
    if status == 429:
        message = f"{host} is busy: {said.error if said else 'its queue is full'}"
        return ServiceBusy(message, retry_after_s=retry_after_s(response))
    if status in (401, 403):
        return AccessError(f"{host} wants credentials. Set MODAL_KEY and MODAL_SECRET to a token that it accepts.")
    if status == 413:
        return InputError("The image is too large for the service. Choose a lower detail, or a smaller file.")
    if status == 405 or (status == 404 and _is_json(response)) or (status == 500 and said):
        return Refused(host, status, said)
    if status in (400, 415, 422):
        return InputError(f"The service refused the request: {said.error if said else response.reason_phrase}")
    if status in (408, 425) or status >= 500:
        message = said.error if said else f"{host} cannot answer right now (status {status}). Try again in a moment."
        return ServiceUnreachable(message, retry_after_s=retry_after_s(response))
    if _is_json(response):
        return ProtocolError(_not_ours(host, status))
    return GarbledAnswer(_not_ours(host, status))


def retry_after_s(response: httpx.Response) -> float | None:
    """Returns the seconds of the `Retry-After` header, given as a number or as a date; None without one."""
    value = response.headers.get(RETRY_AFTER_HEADER, "").strip()
    if not value:
        return None
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _error_body(response: httpx.Response) -> ErrorBody | None:
    try:
        return ErrorBody.model_validate_json(response.content)
    except ValidationError:
        return None


def _is_json(response: httpx.Response) -> bool:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.startswith("application/json")


def _not_ours(host: str, status: int) -> str:
    return f"{host} does not answer as a Nadir service does (status {status}). Check the service's address."


def _no_connection(host: str, error: httpx.ConnectError) -> NadirError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ProtocolError(f"{host} has no certificate that can be trusted. Check the service's address.")
    return ServiceUnreachable(f"Nothing answers at {host}. Check that the service is up, or try again in a moment.")
