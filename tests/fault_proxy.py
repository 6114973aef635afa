"""A proxy that breaks a share of the exchanges that go through it, in ten ways."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from enum import Enum, auto
from typing import Self
from urllib.parse import urlsplit

from tests.contract_server import Request, read_request

LATE_S = 1.5
"""How late a late answer is: past the patience of a client under test."""

HTML = b"<html><body><h1>Welcome to the hotel's network</h1></body></html>"


class Fault(Enum):
    """A way to break an exchange."""

    REFUSED = auto()
    """The connection is reset, and the server hears nothing."""
    ANSWER_LOST = auto()
    """The server does its work, and the connection is reset before the answer."""
    RESET_IN_BODY = auto()
    """The server does its work, and the connection is reset half-way through the answer."""
    BAD_GATEWAY = auto()
    """502 with HTML; the server hears nothing."""
    UNAVAILABLE = auto()
    """503 with Retry-After; the server hears nothing."""
    TOO_MANY = auto()
    """429 with Retry-After; the server hears nothing."""
    HTML_PAGE = auto()
    """200 with HTML; the server hears nothing."""
    HALF_JSON = auto()
    """The server does its work, and the answer's JSON is cut in half."""
    LATE = auto()
    """The server does its work, and the answer comes when nobody waits for it any more."""
    TWICE = auto()
    """The server gets the request twice, and the second answer is passed on."""


class FaultProxy:
    """Stands before a server.

    Args:
        target: the server's address.
        share: the share of exchanges to break, 0-1.
        faults: the ways to break them, each as likely as the other.
        seed: the same seed breaks the same exchanges.
    """

    def __init__(self, target: str, share: float = 0.2, faults: Sequence[Fault] = tuple(Fault), seed: int = 0) -> None:
        url = urlsplit(target)
        self._host, self._port = url.hostname or "", url.port or 80
        self.share = share
        self._faults = list(faults)
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.done: Counter[Fault | None] = Counter()
        """How often each fault was made; None counts the exchanges that were left alone."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", limit=1 << 26)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    answer = await self._exchange(await read_request(reader), writer)
                    if answer is None:
                        writer.transport.abort()
                        return
                    writer.write(answer)
                    await writer.drain()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _exchange(self, request: Request, writer: asyncio.StreamWriter) -> bytes | None:
        """Returns the bytes to answer with, or None to reset the connection."""
        fault = self._random.choice(self._faults) if self._random.random() < self.share else None
        self.done[fault] += 1
        match fault:
            case Fault.REFUSED:
                return None
            case Fault.BAD_GATEWAY:
                return answer_of("502 Bad Gateway", HTML, "text/html")
            case Fault.UNAVAILABLE:
                return answer_of("503 Service Unavailable", HTML, "text/html", retry_after="1")
            case Fault.TOO_MANY:
                return answer_of("429 Too Many Requests", b'{"error": "Too many"}', retry_after="1")
            case Fault.HTML_PAGE:
                return answer_of("200 OK", HTML, "text/html")
        return await self._break_answer(fault, request, writer)

    async def _break_answer(self, fault: Fault | None, request: Request, writer: asyncio.StreamWriter) -> bytes | None:
        head, body = await self._forward(request)
        match fault:
            case Fault.ANSWER_LOST:
                return None
            case Fault.RESET_IN_BODY:
                writer.write(head + body[: len(body) // 2])
                await writer.drain()
                return None
            case Fault.HALF_JSON:
                status = head.partition(b"\r\n")[0].decode().partition(" ")[2]
                return answer_of(status, body[: len(body) // 2])
            case Fault.LATE:
                await asyncio.sleep(LATE_S)
            case Fault.TWICE:
                head, body = await self._forward(request)
        return head + body

    async def _forward(self, request: Request) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=1 << 26)
        try:
            writer.write(request.encoded)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().split("\r\n")
            length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
            return head, await reader.readexactly(length)
        finally:
            writer.close()


def answer_of(status: str, body: bytes, content_type: str = "application/json", retry_after: str = "") -> bytes:
    """Returns a whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    if retry_after:
        lines.append(f"Retry-After: {retry_after}")
    return "\r\n".join([*lines, "", ""]).encode() + body
