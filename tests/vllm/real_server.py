"""A real vLLM on the CPU, started with the GPU class's own command line, and the model of random weights it serves."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backend.deployment import Deployment
from backend.engines.vllm_server import VLLMServer, serve_command
from backend.services import CAPTIONING

HERE = Path(__file__).parent

CPU_ONLY = ("--enforce-eager",)
"""What the CPU build needs on top of the GPU class's command line: compiling takes longer than it saves here."""

ENVIRONMENT = {
    "PYTHONPATH": str(HERE / "startup"),
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "HF_HUB_OFFLINE": "1",
}

START_TIMEOUT_S = 300


def vllm_executable() -> Path:
    """Returns the executable that the environment variable VLLM names."""
    return Path(os.environ["VLLM"]).absolute()


def build_model(directory: Path) -> None:
    """Writes the model of random weights into a folder, with the interpreter beside vLLM."""
    python = vllm_executable().with_name("python")
    subprocess.run([python, HERE / "tiny_model.py", directory], env=os.environ | ENVIRONMENT, check=True, timeout=120)


@asynccontextmanager
async def real_server(weights: Path, **more_environment: str) -> AsyncIterator[VLLMServer]:
    """Starts a vLLM that serves the weights as the captioning model, and ends it when the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    _, *arguments = serve_command(Deployment.of(CAPTIONING), weights=str(weights), port=port)
    command = [str(vllm_executable()), *arguments, *CPU_ONLY]
    server = VLLMServer(command, port=port, model=CAPTIONING.model, environment=ENVIRONMENT | more_environment)
    await server.start()
    try:
        await server.until_ready(START_TIMEOUT_S)
        yield server
    finally:
        await server.stop()
