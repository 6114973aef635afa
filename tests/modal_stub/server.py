"""Serves the stand-in: the procedures over gRPC, the blobs over HTTP, both on loopback and in a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from grpclib.server import Server, Stream
from modal_proto.api_grpc import ModalClientBase

from tests.modal_stub.control_plane import ControlPlane

Value = TypeVar("Value")


@dataclass(frozen=True)
class RunningStub:
    """The stand-in while it serves."""

    plane: ControlPlane
    url: str
    loop: asyncio.AbstractEventLoop

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead the `modal` package to it."""
        return {
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": "ak-stand-in",
            "MODAL_TOKEN_SECRET": "as-stand-in",
            "MODAL_CONFIG_PATH": "/nonexistent/modal.toml",
        }

    def do(self, action: Callable[[ControlPlane], Value]) -> Value:
        """Runs an action on the stand-in's own thread and returns what it returns."""

        async def run() -> Value:
            return action(self.plane)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(timeout=10)


@contextlib.contextmanager
def running_stub() -> Iterator[RunningStub]:
    """Serves a new workspace until the context is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="modal-stub")
    thread.start()
    try:
        stub, close = asyncio.run_coroutine_threadsafe(_serve(loop), loop).result(timeout=10)
        try:
            yield stub
        finally:
            asyncio.run_coroutine_threadsafe(close(), loop).result(timeout=10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _serve(loop: asyncio.AbstractEventLoop) -> tuple[RunningStub, Callable[[], Any]]:
    blob_listener, listener = _loopback_listener(), _loopback_listener()
    plane = ControlPlane(blob_url=f"http://127.0.0.1:{blob_listener.getsockname()[1]}")
    blobs = web.AppRunner(_blob_app(plane))
    await blobs.setup()
    await web.SockSite(blobs, blob_listener).start()
    server = Server([_procedures(plane)])
    await server.start(sock=listener)

    async def close() -> None:
        server.close()
        await server.wait_closed()
        await blobs.cleanup()

    return RunningStub(plane, f"http://127.0.0.1:{listener.getsockname()[1]}", loop), close


def _loopback_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def _procedures(plane: ControlPlane) -> ModalClientBase:
    """Returns Modal's service with every procedure answered by the plane."""

    def procedure(name: str) -> Callable[[Any, Stream[Any, Any]], Any]:
        async def serve(self: Any, stream: Stream[Any, Any]) -> None:
            response = plane.answer(name, await stream.recv_message())
            await stream.send_message(await response if inspect.isawaitable(response) else response)

        return serve

    names = ModalClientBase.__abstractmethods__
    service: ModalClientBase = type("Procedures", (ModalClientBase,), {name: procedure(name) for name in names})()
    return service


def _blob_app(plane: ControlPlane) -> web.Application:
    async def put(request: web.Request) -> web.Response:
        data = await request.read()
        plane.blobs[request.match_info["blob_id"]] = data
        return web.Response(headers={"ETag": hashlib.md5(data).hexdigest()})

    app = web.Application(client_max_size=64 * 1024**2)
    app.router.add_put("/{blob_id}", put)
    return app
