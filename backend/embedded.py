"""The services that the app serves itself: a gateway each on one durable queue, with the engine of the settings."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from backend.engines import Engine
from backend.engines.openai import OpenAIEngine
from backend.engines.preview import PreviewEngine
from backend.gateway import GatewayOptions, create_gateway
from backend.queues.durable import DurableStore
from backend.services import CAPTIONING, ServiceSpec
from backend.settings import Settings, reveal


class EmbeddedServices:
    """Serves services from this process. Mount it, start it, close it; without services it does nothing."""

    def __init__(self, settings: Settings, services: Sequence[ServiceSpec]) -> None:
        self.services = services
        self._settings = settings
        self._engines = {service.key: make_engine(settings, service) for service in services}
        self._store = DurableStore(data_dir=settings.data_dir, database_url=reveal(settings.database_url))
        self._queues = {
            service.key: self._store.queue(
                service,
                self._engines[service.key],
                concurrency=settings.queue_concurrency,
                limit=settings.queue_limit,
            )
            for service in services
        }

    @property
    def engine_names(self) -> dict[str, str]:
        """Which engine answers each service, by service key."""
        return {key: engine.name for key, engine in self._engines.items()}

    def mount(self, app: FastAPI) -> None:
        """Serves each service's gateway below `/<service key>` of an app."""
        options = GatewayOptions(
            max_request_bytes=self._settings.max_request_bytes,
            image_hosts=self._settings.image_hosts,
            show_tracebacks=self._settings.show_tracebacks,
        )
        for service in self.services:
            app.mount(f"/{service.key}", create_gateway(service, self._queues[service.key], options))

    async def start(self) -> None:
        """Begins to run jobs, first those that an earlier process left unfinished."""
        if self.services:
            await self._store.start()

    async def close(self) -> None:
        """Stops running jobs, to go on with at the next start, and lets go of the engines."""
        if self.services:
            await self._store.close()
        for engine in self._engines.values():
            await engine.close()


def make_engine(settings: Settings, service: ServiceSpec) -> Engine:
    """Returns the engine that answers a service: the operator's own server where one is set, else the preview."""
    if settings.upstream_base_url is None:
        return PreviewEngine()
    model = settings.caption_model if service is CAPTIONING else settings.vqa_model
    return OpenAIEngine(
        settings.upstream_base_url,
        api_key=reveal(settings.upstream_api_key),
        models={service.model: model} if model else {},
    )
