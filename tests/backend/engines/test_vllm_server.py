"""The vLLM child process, played by a small server that fails on request."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.contract import ChatRequest
from backend.deployment import Deployment
from backend.engines import EngineUnavailable, RequestRefused, TextPiece
from backend.engines.vllm import VLLMEngine
from backend.engines.vllm_server import VLLMServer, serve_command
from backend.services import CAPTIONING, VQA
from tests.waiting import until

PLAYED_SERVER = Path(__file__).with_name("played_vllm.py")
REQUEST = ChatRequest.model_validate({"model": CAPTIONING.model, "messages": [{"role": "user", "content": "Hi"}]})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def played(behaviour: str, tmp_path: Path) -> VLLMServer:
    """Returns a server that behaves as told; it writes its process ids into the folder."""
    port = free_port()
    command = [sys.executable, str(PLAYED_SERVER), str(port), behaviour, str(tmp_path)]
    return VLLMServer(command, port=port, model=CAPTIONING.model)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[VLLMServer]:
    server = played("answer", tmp_path)
    await server.start()
    yield server
    await server.stop()


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_it_is_ready_only_once_the_model_has_produced_a_token(tmp_path: Path) -> None:
    server = played("fail-twice", tmp_path)
    await server.start()
    try:
        await server.until_ready(timeout_s=20)
        assert (tmp_path / "completions").read_text() == "3"
    finally:
        await server.stop()


async def test_a_server_that_ends_while_it_starts_is_reported_with_its_code(tmp_path: Path) -> None:
    server = played("exit-3", tmp_path)
    await server.start()

    with pytest.raises(EngineUnavailable, match="code 3"):
        await server.until_ready(timeout_s=20)
    await server.stop()


async def test_a_server_that_never_answers_runs_out_of_time(tmp_path: Path) -> None:
    server = played("fail", tmp_path)
    await server.start()
    try:
        with pytest.raises(EngineUnavailable, match="not ready"):
            await server.until_ready(timeout_s=0.2)
    finally:
        await server.stop()


async def test_stopping_ends_the_workers_as_well(server: VLLMServer, tmp_path: Path) -> None:
    await server.until_ready(timeout_s=20)
    worker = int((tmp_path / "worker").read_text())
    assert is_running(worker)

    await server.stop()

    assert not server.is_alive
    await until(lambda: not is_running(worker))


async def test_a_killed_server_leaves_no_worker_behind(server: VLLMServer, tmp_path: Path) -> None:
    await server.until_ready(timeout_s=20)
    worker = int((tmp_path / "worker").read_text())
    os.kill(int((tmp_path / "server").read_text()), signal.SIGKILL)

    assert await server.ended() == -signal.SIGKILL
    await server.stop()
    await until(lambda: not is_running(worker))


async def test_stopping_what_was_never_started_is_harmless(tmp_path: Path) -> None:
    await played("answer", tmp_path).stop()


async def test_a_refusal_of_a_living_server_is_passed_on(server: VLLMServer) -> None:
    await server.until_ready(timeout_s=20)
    engine = VLLMEngine(server, CAPTIONING, max_pixels=1)

    with pytest.raises(RequestRefused, match="too long"):
        async for _ in engine.answer(REQUEST.model_copy(update={"stop": "refuse"})):
            pass
    await engine.close()


async def test_an_answer_that_a_dying_server_cut_short_says_that_it_is_being_replaced(server: VLLMServer) -> None:
    await server.until_ready(timeout_s=20)
    engine = VLLMEngine(server, CAPTIONING, max_pixels=1)
    answer = engine.answer(REQUEST.model_copy(update={"stop": "die"}))

    assert await anext(answer) == TextPiece("A")
    with pytest.raises(EngineUnavailable, match="being replaced"):
        await anext(answer)
    await engine.close()


def test_the_command_line_is_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQA_DEPLOY_MAX_PIXELS", "1048576")
    command = serve_command(Deployment.of(VQA), weights="/weights", port=8000)
    line = " ".join(command)

    assert line.startswith("vllm serve /weights --served-model-name qwen-vqa-special --host 127.0.0.1 --port 8000")
    assert "--gpu-memory-utilization 0.88" in line
    assert "--tensor-parallel-size 1" in line
    assert "--dtype bfloat16" in line
    assert "--max-model-len 8192 --max-num-seqs 24" in line
    assert '--limit-mm-per-prompt {"image": 1, "video": 0}' in line
    assert '"longest_edge": 1048576' in line
    assert "--allowed-media-domains nowhere.invalid" in line
    assert "--enable-sleep-mode" not in line


def test_snapshots_need_the_sleep_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_SNAPSHOTS", "1")

    assert "--enable-sleep-mode" in serve_command(Deployment.of(VQA), weights="/weights", port=8000)
