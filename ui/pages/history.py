"""The History page: all jobs of this browser, and any other job by its call id.

The list is drawn in the browser from the browser's own storage, by `assets/history.js`; the server sees of it only
the call ids of jobs whose end is not known yet.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from backend.contract import RETENTION_DAYS
from client.jobs import JobClient
from client.status import CALL_ID
from ui.components.answer import Action, Remedies, render_empty
from ui.desk import JobDesk, Shown
from ui.fragments import render
from ui.pages.working_view import CHECK_SERVICES_ID, WorkingView
from ui.pickup import Pickup
from ui.record import JobRecord
from ui.shelf import SceneShelf

OPEN_LABELS = {"captioning": "Caption", "vqa": "Ask"}
"""Tab in which a service's jobs are opened, by service key."""
FETCH_LABEL = "Fetch job"


@dataclass
class HistoryPage:
    """The components of the History page, and what works for them."""

    desks: Mapping[str, JobDesk]
    service: gr.Dropdown
    call_id: gr.Textbox
    fetch: gr.Button
    again: gr.Button
    cancel: gr.Button
    status: gr.HTML
    answer: gr.HTML
    record: gr.JSON


def build_history(clients: Mapping[str, JobClient], shelf: SceneShelf) -> HistoryPage:
    """Lays out the History page. To be called within a tab; `connect_history` gives it life."""
    choices = [(client.service.title, key) for key, client in clients.items()]
    gr.HTML(
        render("history.html", services=OPEN_LABELS, retention_days=RETENTION_DAYS),
        js_on_load="nadirHistory.attach(element)",
        elem_id="nd-history",
        apply_default_css=False,
    )
    with gr.Column(elem_classes=["nd-fetch", "nd-panel"]):
        gr.HTML(render("history_fetch.html"), apply_default_css=False)
        with gr.Row(elem_classes=["nd-fetch-row"]):
            service = gr.Dropdown(choices, value=choices[0][1], label="Service", scale=2, min_width=180)
            call_id = gr.Textbox(
                label="Call id",
                placeholder="Such as: fc-01JABC",
                max_lines=1,
                scale=5,
                min_width=200,
                elem_id="fetch-id",
            )
            fetch = gr.Button(FETCH_LABEL, scale=1, min_width=120, elem_id="fetch-go")
        status = gr.HTML("", elem_id="fetch-status", apply_default_css=False)
        answer = gr.HTML("", elem_id="fetch-answer", apply_default_css=False)
    return HistoryPage(
        desks={key: _desk(client, shelf) for key, client in clients.items()},
        service=service,
        call_id=call_id,
        fetch=fetch,
        again=gr.Button(visible="hidden", elem_id="fetch-again"),
        cancel=gr.Button(visible="hidden", elem_id="fetch-cancel"),
        status=status,
        answer=answer,
        record=gr.JSON(visible=False),
    )


def connect_history(page: HistoryPage, views: Mapping[str, WorkingView], tabs: gr.Tabs) -> None:
    """Wires fetching by call id, and opening a job in the view of its service; `views` are by tab id."""
    for trigger in (page.fetch.click, page.call_id.submit, page.again.click):
        trigger(
            _fetch_handler(page),
            inputs=[page.service, page.call_id],
            outputs=[page.status, page.answer, page.record, page.fetch],
            show_progress="hidden",
            api_visibility="private",
        )
    page.cancel.click(_cancel_handler(page), inputs=[page.record], outputs=[], queue=False, api_visibility="private")
    for tab, view in views.items():
        view.reopen.click(
            lambda tab=tab: gr.Tabs(selected=tab), outputs=[tabs], show_progress="hidden", api_visibility="private"
        )


def connect_pickup(clients: Mapping[str, JobClient]) -> None:
    """Adds the invisible part that hears how jobs end that no tab watches. It works whichever tab is shown."""
    pickup = Pickup(clients)
    news = gr.HTML(
        {"pending": [], "news": []},
        html_template="<span></span>",
        js_on_load="nadirPickup.attach(props, () => trigger('input'), watch)",
        visible="hidden",
        apply_default_css=False,
    )

    async def follow(value: Any) -> AsyncIterator[dict[str, Any]]:
        async for told in pickup.follow(value):
            yield told

    news.input(follow, inputs=[news], outputs=[news], show_progress="hidden", api_visibility="private")


def clean_call_id(text: str) -> str:
    """Returns the call id of what was pasted: without spaces, quotes, or the address before it."""
    return text.strip().strip("\"'`,").rstrip("/").rpartition("/")[2].partition("?")[0].strip()


def _desk(client: JobClient, shelf: SceneShelf) -> JobDesk:
    again = Action("Fetch again", "rotate-cw", "fetch-again")
    remedies = Remedies(
        again=again, check=Action("Check the service", "refresh-cw", CHECK_SERVICES_ID), keep_waiting=again
    )
    return JobDesk(client, shelf, remedies=remedies, cancel_target="fetch-cancel")


def _fetch_handler(page: HistoryPage) -> Any:
    async def fetch(service: str, pasted: str) -> AsyncIterator[tuple[Any, ...]]:
        desk, call_id = page.desks.get(service), clean_call_id(pasted or "")
        if desk is None or not call_id:
            empty = render_empty("list-ordered", "No call id yet", "Paste one above, then press Fetch job.")
            yield Shown("", empty).outputs(FETCH_LABEL)
            return
        if not CALL_ID.fullmatch(call_id):
            odd = render_empty("list-ordered", "That is not a call id", "A call id looks like fc-01JABC.")
            yield Shown("", odd).outputs(FETCH_LABEL)
            return
        record = JobRecord(key=uuid.uuid4().hex, service=service, call_id=call_id).model_dump(mode="json")
        yield Shown(record=record).outputs(FETCH_LABEL)
        async for shown in desk.watch(record):
            yield shown.outputs(FETCH_LABEL)

    return fetch


def _cancel_handler(page: HistoryPage) -> Any:
    async def cancel(record: Any) -> None:
        desk = page.desks.get((record or {}).get("service", ""))
        if desk and (trouble := await desk.cancel(record)):
            raise gr.Error(trouble, title="Not cancelled", print_exception=False)

    return cancel
