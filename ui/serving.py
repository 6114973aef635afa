"""Puts the page on a server: where uploads live, and what Gradio is allowed to do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from backend.contract import RETENTION_DAYS
from ui.theme import FAVICON, STYLE_SHEETS, head, make_theme

MAX_UPLOAD = "4gb"
"""Largest scene that may be uploaded: the limit of a classic TIFF."""

SWEEP_S = 3600
"""How often old uploads are removed, in seconds."""


def prepare_uploads(data_dir: Path) -> Path:
    """Returns the directory of uploads, made and told to Gradio.

    Uploads outlive a restart, so that a job found again still has its scene.
    """
    uploads = (data_dir / "uploads").resolve()
    uploads.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    return uploads


def sweep_uploads(uploads: Path, now: float) -> None:
    """Removes uploads, and pictures made of them, that are older than a job's result; then the folders left empty.

    Args:
        now: Unix time in seconds.
    """
    oldest = now - RETENTION_DAYS * 24 * 3600
    for folder, _, names in os.walk(uploads, topdown=False):
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
        if Path(folder) != uploads:
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


class UploadSweeper:
    """Removes old uploads for as long as the app runs."""

    def __init__(self, uploads: Path) -> None:
        self._uploads = uploads
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sweeps now and every hour."""
        self._sweeping = asyncio.create_task(self._sweep_on())

    async def close(self) -> None:
        """Sweeps no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.to_thread(sweep_uploads, self._uploads, time.time())
            await asyncio.sleep(SWEEP_S)


def mount_page(app: FastAPI, page: gr.Blocks) -> FastAPI:
    """Serves the page at `/` of an app whose own routes come first."""
    page.max_threads = 200
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        allowed_paths=[],
        favicon_path=str(FAVICON),
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        theme=make_theme(),
        css_paths=STYLE_SHEETS,
        head=head(),
    )
