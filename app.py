"""The front door: reads the settings, assembles gateways and page, serves them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from fastapi import FastAPI
from pydantic import ValidationError

from backend.answers import add_error_handlers
from backend.body import BodyLimit
from backend.embedded import EmbeddedServices
from backend.services import SERVICES
from backend.serving import AddressTaken, listen, own_address, serve
from backend.settings import Settings, reveal
from client.batch_desk import BatchDesk
from client.connections import connect
from client.imagery import SceneReader
from client.routes import background_routes
from client.samples import load_samples
from ui.batch_room import BatchRoom
from ui.page import build_page
from ui.serving import UploadSweeper, mount_page, prepare_uploads
from ui.shelf import SceneShelf


def build_app(settings: Settings, address: str) -> FastAPI:
    """Returns the app, to be reached at `address`: the page at `/`, services of its own below their keys."""
    embedded = EmbeddedServices(settings, [s for s in SERVICES.values() if s.key not in settings.service_urls])
    own_urls = {service.key: f"{address}/{service.key}" for service in embedded.services}
    token = {"key": reveal(settings.modal_key), "secret": reveal(settings.modal_secret)}
    clients = connect(own_urls | settings.service_urls, timeouts_s=settings.timeouts_s, **token)
    reader = SceneReader()
    uploads = prepare_uploads(settings.data_dir)
    shelf = SceneShelf(reader, load_samples(), uploads)
    sweeper = UploadSweeper(uploads)
    batches = BatchDesk(clients, reader, settings.data_dir / "batches")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for part in (embedded, reader, batches, sweeper):
            await part.start()
        for key, answers in (embedded.engine_names | settings.service_urls).items():
            print(f"{SERVICES[key].title} is answered by: {answers}")
        print(f"Nadir is at {address}", flush=True)
        yield
        for part in (sweeper, batches, *clients.values(), reader, embedded):
            await part.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    embedded.mount(app)
    app.include_router(background_routes(*clients.values()))
    app.add_middleware(BodyLimit, path="/api/", max_bytes=settings.max_request_bytes)
    add_error_handlers(app)
    return mount_page(app, build_page(clients, shelf, load_samples(), BatchRoom(batches, reader, uploads)))


def main() -> None:
    """Serves the app until it is told to stop."""
    try:
        settings = Settings()
        listener = listen(settings.host, settings.port)
    except ValidationError as error:
        sys.exit("\n".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()))
    except AddressTaken as error:
        sys.exit(str(error))
    serve(build_app(settings, own_address(listener)), listener)


if __name__ == "__main__":
    main()
