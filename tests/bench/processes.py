"""Servers in processes of their own, so that a benchmark does not measure itself."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.contract_server import ContractServer

KINDS = {"bare contract": False, "with wait": True}
"""The two kinds of server: whether each is extended, by what the tables call it."""


@dataclass(frozen=True)
class Served:
    """A scripted server in another process."""

    url: str


@asynccontextmanager
async def contract_server(service_time_s: float, slots: int, *, extended: bool) -> AsyncIterator[Served]:
    """Runs a scripted server in another process."""
    options = json.dumps({"service_time_s": service_time_s, "slots": slots, "extended": extended})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.processes", options), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        yield Served((await process.stdout.readline()).decode().strip())
    finally:
        process.terminate()
        await process.communicate()


async def _serve(options: dict[str, float]) -> None:
    async with ContractServer(
        options["service_time_s"], slots=int(options["slots"]), extended=bool(options["extended"])
    ) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("options", type=json.loads)
    asyncio.run(_serve(parser.parse_args().options))
