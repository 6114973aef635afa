"""The page: top bar, banner, and a tab for each page of `ui.pages`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from backend.services import CAPTIONING, VQA
from client.jobs import JobClient
from client.samples import Sample
from ui.batch_room import BatchRoom
from ui.components.scene import SceneValue
from ui.components.services import check_services, render_banner, render_top_bar
from ui.fragments import render
from ui.pages.ask import build_ask
from ui.pages.batch import build_batch
from ui.pages.caption import ASK_ABOUT_ID, build_caption
from ui.pages.history import build_history, connect_history, connect_pickup
from ui.pages.services import build_services, connect_services
from ui.pages.working_view import CHECK_SERVICES_ID, WorkingView, connect_view
from ui.shelf import SceneShelf

TITLE = "Nadir: describe and question satellite images"
LIVE_EVENTS_PER_FUNCTION = 200
"""How many tabs may watch a job at the same time; each takes one event for as long as its job goes on."""


def build_page(
    clients: Mapping[str, JobClient], shelf: SceneShelf, samples: Sequence[Sample], room: BatchRoom
) -> gr.Blocks:
    """Returns the page.

    Args:
        clients: the client of each service, by the service's key.
        shelf: opens scenes.
        samples: scenes to begin with.
        room: answers for the batches.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        top_bar = gr.HTML(render_top_bar([]), apply_default_css=False)
        banner = gr.HTML("", elem_id="nd-banner", apply_default_css=False)
        with gr.Tabs(elem_id="nd-tabs") as tabs:
            with gr.Tab("Caption", id="caption"):
                caption = build_caption(clients[CAPTIONING.key], shelf, samples)
            with gr.Tab("Ask", id="ask"):
                ask = build_ask(clients[VQA.key], shelf, samples)
            with gr.Tab("Batch", id="batch"):
                build_batch(room, samples)
            with gr.Tab("History", id="history"):
                history = build_history(clients, shelf)
            with gr.Tab("Services", id="services") as services_tab:
                services = build_services(clients)
        connect_pickup(clients)
        gr.HTML(render("viewer.html"), elem_classes=["nd-viewer-host"], apply_default_css=False)
        ask_about = gr.Button(visible="hidden", elem_id=ASK_ABOUT_ID)
        check = gr.Button(visible="hidden", elem_id=CHECK_SERVICES_ID)
        for view in (caption, ask):
            connect_view(view, page)
        connect_history(history, {"caption": caption, "ask": ask}, tabs)
        connect_services(services, services_tab)
        _connect_ask_about(ask_about, caption, ask, tabs)
        _connect_check(page, check, list(clients.values()), top_bar, banner)
    page.queue(default_concurrency_limit=LIVE_EVENTS_PER_FUNCTION, max_size=1000)
    return page


def _connect_ask_about(button: gr.Button, caption: WorkingView, ask: WorkingView, tabs: gr.Tabs) -> None:
    def carry_over(scene: SceneValue) -> tuple[SceneValue, gr.Tabs]:
        # Each panel counts its own changes.
        return {key: value for key, value in scene.items() if key != "turn"}, gr.Tabs(selected="ask")

    button.click(
        carry_over, inputs=[caption.scene], outputs=[ask.scene, tabs], show_progress="hidden", api_visibility="private"
    ).then(None, js="() => document.querySelector('#ask-prompt textarea')?.focus()", api_visibility="private")


def _connect_check(
    page: gr.Blocks, button: gr.Button, clients: Sequence[JobClient], top_bar: gr.HTML, banner: gr.HTML
) -> None:
    async def look() -> tuple[str, str]:
        checks = await check_services(clients)
        return render_top_bar(checks), render_banner(checks, check_target=CHECK_SERVICES_ID)

    for trigger in (page.load, button.click):
        trigger(look, outputs=[top_bar, banner], show_progress="hidden", api_visibility="private")
