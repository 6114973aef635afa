"""The body of a request, read with bounded memory."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.answers import Refusal, error_answer
from backend.settings import MIB

IDLE_S = 30.0
"""Longest pause within a body, in seconds."""


async def read_body(request: Request, max_bytes: int, *, idle_s: float = IDLE_S) -> bytes:
    """Returns the request's body.

    Of a body that is too large, as much again is taken in and dropped: most clients look for the answer only once
    they have sent everything. A client that asks first (`Expect: 100-continue`) is told at once.

    Raises:
        Refusal: 413, larger than `max_bytes`, by its Content-Length or as it arrives; 408, it stopped arriving.
        ClientDisconnect: the caller left.
    """
    declared = _declared_length(request)
    asks_first = request.headers.get("expect", "").lower() == "100-continue"
    if declared > max_bytes and asks_first:
        raise _too_large(max_bytes)
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(idle_s) as pause:
            async for piece in request.stream():
                pause.reschedule(asyncio.get_running_loop().time() + idle_s)
                size += len(piece)
                if size > 2 * max_bytes:
                    break
                if max(size, declared) <= max_bytes:
                    body += piece
    except TimeoutError:
        message = f"The request body stopped arriving for {idle_s:.0f} seconds. Send it again."
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, message) from None
    if max(size, declared) > max_bytes:
        raise _too_large(max_bytes)
    return bytes(body)


class BodyLimit:
    """Middleware for routes below a path that read their body whole: it must say its size, and that must be allowed."""

    def __init__(self, app: ASGIApp, *, path: str, max_bytes: int) -> None:
        self._app = app
        self._path = path
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._path):
            refusal = self._refusal(Request(scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if "content-length" not in request.headers and "transfer-encoding" in request.headers:
            return error_answer(HTTPStatus.LENGTH_REQUIRED, "The request must say its size. Send a Content-Length.")
        if _declared_length(request) > self._max_bytes:
            return error_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(_too_large(self._max_bytes)))
        return None


def _declared_length(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _too_large(max_bytes: int) -> Refusal:
    message = f"The request is larger than {max_bytes / MIB:.3g} MiB. Send a smaller image."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
