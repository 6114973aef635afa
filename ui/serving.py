"""Puts the page on a server: where uploads live, and what Gradio is allowed to do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from backend.contract import RETENTION_DAYS
from ui.theme import FAVICON, STYLE_SHEETS, head, make_theme

MAX_UPLOAD = "4gb"
"""Largest scene that may be uploaded: the limit of a classic TIFF."""


def prepare_uploads(data_dir: Path) -> Path:
    """Returns the directory of uploads, made and told to Gradio, without what is older than a job's result.

    Uploads outlive a restart, so that a job found again still has its scene.
    """
    uploads = (data_dir / "uploads").resolve()
    uploads.mkdir(parents=True, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    oldest = time.time() - RETENTION_DAYS * 24 * 3600
    for path in uploads.rglob("*"):
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    return uploads


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
