"""The Services page: a card for each service, and the button that warms it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from client.errors import NadirError
from client.events import JobEvent, Running, Starting, Unreachable
from client.jobs import JobClient
from client.warmup import Asked, Ready, WarmUpEvent, warm_up
from ui.components.service_card import render_service
from ui.fragments import format_seconds, render

LOOK_ID = "nd-look-at-services"
"""Element id of the button that draws the cards anew."""


@dataclass(frozen=True)
class ServicePanel:
    """The components of one service."""

    client: JobClient
    card: gr.HTML
    warm: gr.Button
    warm_status: gr.HTML


@dataclass(frozen=True)
class ServicesPage:
    """The components of the Services page."""

    panels: tuple[ServicePanel, ...]
    look: gr.Button


def build_services(clients: Mapping[str, JobClient]) -> ServicesPage:
    """Lays out the Services page. To be called within a tab; `connect_services` gives it life."""
    gr.HTML(render("services_head.html", target=LOOK_ID), apply_default_css=False)
    with gr.Row(elem_classes=["nd-services"], equal_height=False):
        panels = tuple(_panel(client) for client in clients.values())
    return ServicesPage(panels, gr.Button(visible="hidden", elem_id=LOOK_ID))


def connect_services(page: ServicesPage, tab: gr.Tab) -> None:
    """Wires looking at the services, whenever the tab is opened and at the button, and warming them up."""
    cards = [panel.card for panel in page.panels]
    look = _look_handler([panel.client for panel in page.panels])
    for trigger in (tab.select, page.look.click):
        trigger(look, outputs=cards, show_progress="hidden", api_visibility="private")
    for panel in page.panels:
        panel.warm.click(
            _warm_handler(panel.client), outputs=[panel.warm_status], show_progress="hidden", api_visibility="private"
        ).then(look, outputs=cards, show_progress="hidden", api_visibility="private")


def warm_up_text(event: WarmUpEvent, client: JobClient) -> str:
    """Returns what is known of a warm-up, in a sentence."""
    low, high = client.service.cold_start_s
    usual = f"A cold start usually takes {low} to {high} s."
    match event:
        case Asked(is_supported=True):
            return f"Asked for a GPU; a tiny job will tell when it is there. {usual}"
        case Asked():
            return f"The service has no warm-up of its own; a tiny job wakes it. {usual}"
        case Ready(after_s=after_s):
            return f"Ready: it answered a tiny job {format_seconds(after_s)} after it was asked."
        case Unreachable(message=message):
            return f"{message} It is asked again."
        case Starting():
            return f"The GPU is starting. {usual}"
        case Running():
            return "The tiny job is being answered."
        case JobEvent():
            return f"The tiny job waits for its turn. {usual}"
    raise TypeError(f"{event} is no event of a warm-up")


def _panel(client: JobClient) -> ServicePanel:
    key = client.service.key
    with gr.Column(min_width=320, elem_classes=["nd-panel", "nd-service-host"]):
        card = gr.HTML(_draw(client, None, None), elem_id=f"service-{key}", apply_default_css=False)
        status = gr.HTML("", elem_id=f"service-{key}-warm-status", apply_default_css=False)
    return ServicePanel(client, card, gr.Button(visible="hidden", elem_id=_warm_id(client)), status)


def _warm_id(client: JobClient) -> str:
    return f"service-{client.service.key}-warm"


def _draw(client: JobClient, health: Any, error: NadirError | None) -> str:
    return render_service(client, health, error, warm_target=_warm_id(client))


def _look_handler(clients: Sequence[JobClient]) -> Any:
    async def look_at(client: JobClient) -> str:
        try:
            return _draw(client, await client.health(), None)
        except NadirError as error:
            return _draw(client, None, error)

    async def look() -> list[str] | str:
        return list(await asyncio.gather(*map(look_at, clients)))

    return look


def _warm_handler(client: JobClient) -> Any:
    async def warm() -> AsyncIterator[str]:
        began = client.clock.now()
        yield _warm_status("Asking the service.", ticking_s=0.0)
        try:
            async for event in warm_up(client):
                if isinstance(event, Ready):
                    yield _warm_status(warm_up_text(event, client), tone="good", icon_name="circle-check")
                else:
                    yield _warm_status(warm_up_text(event, client), ticking_s=client.clock.now() - began)
        except NadirError as error:
            yield _warm_status(f"Not ready: {error}", tone="bad", icon_name="circle-x")

    return warm


def _warm_status(text: str, *, tone: str = "quiet", icon_name: str = "loader", ticking_s: float | None = None) -> str:
    return render("warm_up.html", text=text, tone=tone, icon_name=icon_name, ticking_s=ticking_s)
