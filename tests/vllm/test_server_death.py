"""A real vLLM that is killed while it answers."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from backend.contract import ChatRequest
from backend.engines import EngineUnavailable, TextPiece
from backend.engines.vllm import VLLMEngine
from backend.services import CAPTIONING
from tests.vllm.real_server import real_server
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

REQUEST = ChatRequest.model_validate(
    {
        "model": CAPTIONING.model,
        "messages": [{"role": "user", "content": "Describe this."}],
        "max_tokens": 4000,
        "temperature": 1.5,
    }
)


def processes_of_group(group: int) -> list[int]:
    """Returns the processes of a group that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rpartition(") ")[2].split()[:3]
            except FileNotFoundError:
                continue
            if int(pgrp) == group and state != "Z":
                found.append(int(entry.name))
    return found


async def test_its_job_fails_as_unavailable_and_nothing_of_it_is_left(weights: Path) -> None:
    async with real_server(weights) as server:
        engine = VLLMEngine(server, CAPTIONING, max_pixels=4_194_304)
        answer = engine.answer(REQUEST)
        assert isinstance(await anext(answer), TextPiece)

        os.kill(server.pid, signal.SIGKILL)

        with pytest.raises(EngineUnavailable, match="being replaced"):
            async for _ in answer:
                pass
        async with asyncio.timeout(10):
            assert await server.ended() == -signal.SIGKILL
        await server.stop()
        await until(lambda: not processes_of_group(server.pid))
        await engine.close()
