"""A gateway on a real port, over a queue in memory and a scripted engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from backend.gateway import GatewayOptions, create_gateway
from backend.services import CAPTIONING, ServiceSpec
from tests.backend.fake_queue import FakeQueue
from tests.backend.scripted_engine import ScriptedEngine
from tests.serving import serving


@dataclass
class Running:
    """A gateway that can be called."""

    url: str
    http: httpx.AsyncClient
    queue: FakeQueue
    engine: ScriptedEngine


@asynccontextmanager
async def running_gateway(
    *script: object, service: ServiceSpec = CAPTIONING, options: GatewayOptions | None = None, limit: int = 100
) -> AsyncIterator[Running]:
    """Serves a gateway whose engine plays the script."""
    engine = ScriptedEngine(*script)
    queue = FakeQueue(engine, limit)
    app = create_gateway(service, queue, options)
    # Without TLS there is nothing to verify, and loading the certificates would take longer than most tests.
    async with serving(app) as url, httpx.AsyncClient(base_url=url, verify=False) as http:
        yield Running(url, http, queue, engine)
        await queue.close()
