"""Use via API: ready code for the request on the page, in a dialog."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from backend.services import ServiceSpec
from client.payload import Detail
from client.scene import Rendering
from client.snippets import SnippetKind, SnippetRequest, render_snippet
from ui.components.scene import SceneValue
from ui.fragments import render
from ui.record import RecordedScene

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build_snippets(service: ServiceSpec, base_url: str, trigger_id: str, inputs: list[gr.components.Component]) -> None:
    """Lays out the dialog, and the unseen button `trigger_id` that fills and opens it.

    Args:
        base_url: the service's address as this app reaches it.
        inputs: scene, prompt, longest answer, temperature, detail, and whether small scenes are enlarged.
    """
    dialog = gr.HTML("", elem_id=f"{trigger_id}-dialog", apply_default_css=False)
    trigger = gr.Button(visible="hidden", elem_id=trigger_id)

    def fill(
        scene: SceneValue | None,
        prompt: str,
        max_tokens: float,
        temperature: float,
        detail: str,
        enlarge: bool,
        request: gr.Request,
    ) -> str:
        asked = SnippetRequest(
            service=service,
            base_url=public_url(base_url, str(request.request.base_url)),
            prompt=prompt or service.default_prompt,
            max_tokens=int(max_tokens),
            temperature=temperature,
            detail=Detail(detail),
            enlarge=enlarge,
        )
        return render_snippets(with_scene(asked, scene or {}))

    trigger.click(fill, inputs=inputs, outputs=[dialog], show_progress="hidden", api_visibility="private").then(
        None, js=f"() => nadir.openDialog('{trigger_id}-dialog')", api_visibility="private"
    )


def with_scene(asked: SnippetRequest, scene: SceneValue) -> SnippetRequest:
    """Returns a request for the scene that a panel shows, with its area, bands and stretch."""
    chosen = RecordedScene.model_validate({key: scene.get(key) for key in ("rendering", "window")})
    return replace(
        asked,
        image=scene.get("file") or asked.image,
        picture=scene.get("picture") or asked.picture,
        rendering=chosen.rendering.rendering if chosen.rendering else Rendering(),
        window=chosen.window,
    )


def render_snippets(asked: SnippetRequest) -> str:
    """Renders the dialog's contents: one piece of code for each way to make the request."""
    snippets: list[dict[str, Any]] = [
        {"label": kind.label, "code": render_snippet(kind, asked), "key": kind.name.lower()} for kind in SnippetKind
    ]
    return render("snippets.html", service=asked.service.title, asked=asked, snippets=snippets)


def public_url(base_url: str, page_url: str) -> str:
    """Returns a service's address for the reader of the page.

    What this app serves itself it reaches over the loopback; the reader reaches it where the page is.
    """
    if urlsplit(base_url).hostname not in LOOPBACK:
        return base_url
    return page_url.rstrip("/") + urlsplit(base_url).path
