"""The whole deployed road with a real vLLM at its end: gateway, stand-in Modal, worker, engine, random weights.

`make test-vllm` sets VLLM to the executable of a virtual environment of its own. Without it nothing here is collected.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from backend.engines.vllm import VLLMEngine
from backend.engines.vllm_server import VLLMServer
from backend.services import CAPTIONING
from tests.backend.on_modal.conftest import gateway_of, plane, stub
from tests.backend.on_modal.container import gpu_container
from tests.modal_stub.control_plane import ControlPlane
from tests.modal_stub.server import RunningStub
from tests.vllm.real_server import build_model, real_server

__all__ = ["plane", "stub"]

collect_ignore_glob = [] if "VLLM" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Qwen3-VL."""
    directory = tmp_path_factory.mktemp("weights")
    build_model(directory)
    return directory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(weights: Path) -> AsyncIterator[VLLMServer]:
    async with real_server(weights) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def road(server: VLLMServer, stub: RunningStub, plane: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the captioning gateway, whose jobs the real vLLM answers."""
    engine = VLLMEngine(server, CAPTIONING, max_pixels=4_194_304)
    async with gpu_container(stub, engine):
        async for client in gateway_of(CAPTIONING, plane):
            client.timeout = httpx.Timeout(120)
            yield client
    await engine.close()
