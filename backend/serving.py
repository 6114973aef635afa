"""A web server for an app: an address to listen on, and an end that open streams cannot hold up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import uvicorn
from starlette.types import ASGIApp

GRACE_S = 1
"""How long open streams may hold up the end, in seconds: a tab that watches a job would hold it for ever."""


class AddressTaken(Exception):
    """The address cannot be listened on. `str()` says why and what to set."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; port 0 takes a free one.

    Raises:
        AddressTaken: another program has the port, or there is no such host.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise AddressTaken(f"Port {port} of {host} cannot be opened: {error.strerror}. Set PORT or HOST.") from error
    # Adopted anew, the socket knows that it speaks TCP, and only then does asyncio send small answers at once.
    return socket.socket(fileno=listener.detach())


def own_address(listener: socket.socket) -> str:
    """Returns where a listener can be reached from this machine, as a URL without a path."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serves an app until SIGINT or SIGTERM."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log record says more than that a stream was cut off because the server ends."""
    cut_off = isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and "timeout graceful shutdown exceeded" not in record.getMessage()
