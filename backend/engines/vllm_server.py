"""A vLLM server as a child process: its command line, its start, its readiness, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence

import httpx

from backend.deployment import MIN_PIXELS, Deployment
from backend.engines import EngineUnavailable

NO_HOST = "nowhere.invalid"
"""A host that cannot exist (RFC 2606): with it as the only allowed one, vLLM fetches no image from anywhere."""

TOKENS_PER_PIECE = 16
"""Tokens per piece of a streamed answer, after the first. An 8B model on an A100 writes 40 to 80 tokens a second for
each job, so that a piece comes about as often as the text is told; a piece per token costs the servers far more."""

PROBE_INTERVAL_S = 0.5
PROBE_TIMEOUT_S = 60
"""Longest that the first token may take once the server listens."""

STOP_TIMEOUT_S = 15
"""How long the server may take to end by itself."""


def serve_command(deployment: Deployment, *, weights: str, port: int) -> list[str]:
    """Returns the command line that serves a deployment's model on 127.0.0.1.

    The context, not the model's native one, bounds the KV cache: Qwen3-VL-8B takes 144 KiB of it per token, and about
    15 GiB are left on 40 GB after the weights, so that some 24 jobs with the largest image fit at once.
    """
    command = ["vllm", "serve", weights, "--served-model-name", deployment.spec.model]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "bfloat16", "--tensor-parallel-size", "1"]
    command += ["--gpu-memory-utilization", str(deployment.gpu_memory_utilization)]
    command += ["--max-model-len", str(deployment.max_model_len), "--max-num-seqs", str(deployment.max_num_seqs)]
    command += ["--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0})]
    size = {"shortest_edge": MIN_PIXELS, "longest_edge": deployment.max_pixels}  # areas, whatever the names say
    command += ["--mm-processor-kwargs", json.dumps({"size": size})]
    command += ["--generation-config", "vllm"]  # else the checkpoint's sampling defaults apply
    command += ["--allowed-media-domains", NO_HOST]
    command += ["--stream-interval", str(TOKENS_PER_PIECE)]
    if deployment.snapshots:
        command += ["--enable-sleep-mode"]
    return command


class VLLMServer:
    """One vLLM server. It is started once, and not again when it has ended."""

    def __init__(
        self, command: Sequence[str], *, port: int, model: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Takes a command line, the port that it has the server listen on, and what to add to the environment."""
        self.base_url = f"http://127.0.0.1:{port}"
        self._command = command
        self._model = model
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process's id, which is its group's as well."""
        if self._process is None:
            raise EngineUnavailable("vLLM was not started")
        return self._process.pid

    async def start(self) -> None:
        """Starts the process, in a process group of its own so that its workers can be ended with it."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=os.environ | self._environment, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )

    async def until_ready(self, timeout_s: float) -> None:
        """Returns once the model has produced a token.

        Raises:
            EngineUnavailable: the process ended first, or the time ran out.
        """
        probing = asyncio.ensure_future(self._until_first_token())
        ending = asyncio.ensure_future(self.ended())
        try:
            done, _ = await asyncio.wait({probing, ending}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            probing.cancel()
            ending.cancel()
        if ending in done:
            raise EngineUnavailable(f"vLLM ended with code {ending.result()} while it started. See the logs")
        if probing not in done:
            raise EngineUnavailable(f"vLLM was not ready after {timeout_s:.0f} seconds. See the logs")

    async def ended(self) -> int:
        """Returns the exit code, once the process has ended."""
        if self._process is None:
            raise EngineUnavailable("vLLM was not started")
        return await self._process.wait()

    async def ends_within(self, timeout_s: float) -> bool:
        """Tells whether the process has ended, or does so in the next seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended(), timeout_s)
        return not self.is_alive

    async def sleep(self) -> None:
        """Moves the weights to main memory and gives up the KV cache, so that a snapshot can be taken."""
        await self._post("/sleep?level=1")

    async def wake(self) -> None:
        """Undoes `sleep`."""
        await self._post("/wake_up")

    async def stop(self) -> None:
        """Ends the server and its workers."""
        if self._process is None:
            return
        if self.is_alive:
            # Not `terminate()`, which would reap a process that just ended and leave nothing to wait for.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):  # workers outlive a server that was killed
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def _until_first_token(self) -> None:
        # The health route answers while the model sleeps, when no completion would.
        probe = {"model": self._model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        async with httpx.AsyncClient(base_url=self.base_url, timeout=PROBE_TIMEOUT_S) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.post("/v1/chat/completions", json=probe)
                    if answer.is_success:
                        return
                await asyncio.sleep(PROBE_INTERVAL_S)

    async def _post(self, path: str) -> None:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=PROBE_TIMEOUT_S) as client:
            (await client.post(path)).raise_for_status()
