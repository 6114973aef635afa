"""Plays a service's GPU container: takes the calls that the stand-in got and runs them with the real worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from backend.contract import ChatRequest, Stage
from backend.engines import Engine
from backend.queues.job_board import JobBoard
from backend.services import CAPTIONING, ServiceSpec
from backend.worker import Worker
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.objects import Call, success
from tests.modal_stub.server import RunningStub


@asynccontextmanager
async def gpu_container(stub: RunningStub, engine: Engine, service: ServiceSpec = CAPTIONING) -> AsyncIterator[None]:
    """Answers all calls with the engine until the context is left; a cancelled call is interrupted, as at Modal."""
    loop = asyncio.get_running_loop()
    board = JobBoard.of(service.app_name)
    worker = Worker(service, engine, board)
    running: dict[str, asyncio.Task[None]] = {}

    async def run(call: Call) -> None:
        result = await worker.answer(call.call_id, *call.args) if call.method == "answer" else None
        stub.do(lambda plane: call.end(success(result)))

    def take(call: Call) -> None:
        running[call.call_id] = loop.create_task(run(call))

    def drop(call: Call) -> None:
        running[call.call_id].cancel()

    def listen(plane: ControlPlane) -> None:
        plane.on_call = lambda call: loop.call_soon_threadsafe(take, call)
        plane.on_cancel = lambda call: loop.call_soon_threadsafe(drop, call)

    def leave(plane: ControlPlane) -> None:
        plane.on_call = plane.on_cancel = None

    stub.do(listen)
    await board.report_engine(Stage.RUNNING)
    try:
        yield
    finally:
        stub.do(leave)
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)


def a_request(text: str = "Describe this.", **fields: Any) -> dict[str, Any]:
    """Returns the body of a captioning request."""
    return {"model": CAPTIONING.model, "messages": [{"role": "user", "content": text}], **fields}


def a_chat_request(text: str = "Describe this.", **fields: Any) -> ChatRequest:
    """Returns a checked captioning request."""
    return ChatRequest.model_validate(a_request(text, **fields))
