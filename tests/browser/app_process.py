"""The app as its users start it: a process of its own that can be stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 180.0
FOREIGN = ("CAPTION_", "VQA_", "UPSTREAM_", "MODAL_", "DATABASE_URL", "DATA_DIR", "PORT", "HOST", "SYSTEM", "SPACE_")


class AppProcess:
    """One app on a port and a data directory that stay the same over restarts."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        self._environment = own | {"PORT": str(self.port), "DATA_DIR": str(data_dir)} | environment
        self._process: Process | None = None

    async def start(self) -> str:
        """Starts the app and returns its address once the page answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "app.py", cwd=ROOT, env=self._environment, stdout=PIPE, stderr=STDOUT
        )
        async with asyncio.timeout(START_S), httpx.AsyncClient() as http:
            while not await self._answers(http):  # noqa: ASYNC110, there is nothing to be told by
                await asyncio.sleep(0.05)
        return self.url

    async def end(self, kind: signal.Signals = signal.SIGTERM) -> str:
        """Ends the app with a signal, and returns what it printed."""
        if self._process is None:
            return ""
        process, self._process = self._process, None
        if process.returncode is None:
            process.send_signal(kind)
        async with asyncio.timeout(20):
            printed, _ = await process.communicate()
        self.exit_code = process.returncode
        return printed.decode()

    @property
    def memory_mib(self) -> float:
        """Memory that the app's own process holds, without its helpers."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def _answers(self, http: httpx.AsyncClient) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"The app ended: {await self.end()}")
        try:
            return (await http.get(self.url)).is_success
        except httpx.TransportError:
            return False
