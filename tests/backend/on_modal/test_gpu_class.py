"""The life of the GPU class within a container, with a played vLLM and the stand-in's board."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from backend import modal_app
from backend.contract import Stage
from backend.engines import EngineUnavailable, vllm_server
from backend.modal_app import SnapshotVisionModel, VisionModel
from backend.queues.job_board import JobBoard
from backend.services import CAPTIONING
from tests.backend.on_modal.container import a_request
from tests.modal_stub.control_plane import ControlPlane
from tests.waiting import until

PLAYED_SERVER = Path(__file__).parents[1] / "engines" / "played_vllm.py"


@pytest.fixture
async def retired(monkeypatch: pytest.MonkeyPatch) -> AsyncMock:
    """Called when the container asks Modal for no more jobs."""
    retire = AsyncMock()
    monkeypatch.setattr("modal.experimental.stop_fetching_inputs", SimpleNamespace(aio=retire))
    return retire


@pytest.fixture
async def in_container(
    plane: ControlPlane, retired: AsyncMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Callable[[type[Any], str], Any]]:
    """Returns an instance of the GPU class, in a container whose vLLM behaves as told."""
    instances: list[Any] = []
    for name, value in plane.environment_of(plane.published(CAPTIONING.app_name, "VisionModel.*")).items():
        monkeypatch.setenv(name, value)

    def create(gpu_class: type[Any], behaviour: str) -> Any:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        command = [sys.executable, str(PLAYED_SERVER), str(port), behaviour, str(tmp_path)]
        monkeypatch.setattr(modal_app, "VLLM_PORT", port)
        monkeypatch.setattr(vllm_server, "serve_command", lambda *_, **__: command)
        instances.append(gpu_class())
        return instances[-1]

    yield create
    for instance in instances:
        await instance.server.stop()


async def test_it_lets_jobs_in_once_vllm_answers_and_ends_vllm_when_it_goes(in_container: Any) -> None:
    board = JobBoard.of(CAPTIONING.app_name)
    model = in_container(VisionModel, "answer")

    await model.start()
    assert await board.engine_stage() is Stage.RUNNING
    assert model.server.is_alive

    await model.stop()
    assert await board.engine_stage() is Stage.STARTING
    assert not model.server.is_alive


async def test_a_vllm_that_cannot_start_fails_the_container(in_container: Any) -> None:
    model = in_container(VisionModel, "exit-1")

    with pytest.raises(EngineUnavailable, match="code 1"):
        await model.start()
    assert await JobBoard.of(CAPTIONING.app_name).engine_stage() is Stage.STARTING


async def test_it_retires_when_vllm_dies(in_container: Any, retired: AsyncMock) -> None:
    model = in_container(VisionModel, "answer")
    await model.start()
    os.kill(model.server.pid, signal.SIGKILL)

    await until(lambda: retired.await_count == 1)

    assert await JobBoard.of(CAPTIONING.app_name).engine_stage() is Stage.STARTING
    envelope = await model.answer(a_request())
    assert envelope["status"] == 503


async def test_it_does_not_retire_when_it_is_stopped(in_container: Any, retired: AsyncMock) -> None:
    model = in_container(VisionModel, "answer")
    await model.start()
    await model.stop()

    assert retired.await_count == 0


async def test_with_snapshots_the_model_sleeps_until_it_is_restored(in_container: Any, tmp_path: Path) -> None:
    model = in_container(SnapshotVisionModel, "answer")

    await model.start()
    assert (tmp_path / "asleep").exists()

    await model.wake()
    assert not (tmp_path / "asleep").exists()
    assert await JobBoard.of(CAPTIONING.app_name).engine_stage() is Stage.RUNNING
    await model.stop()
