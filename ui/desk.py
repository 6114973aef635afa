"""One page's jobs: prepares and submits, watches, cancels. Handlers yield what the page is to show.

Each handler is an async generator over the injected client. What lasts is the job on the service and the record in
the browser; between calls a desk remembers only submissions under way: how long they took, and whether they were
called off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from async_lru import alru_cache
from cachetools import TTLCache

from client.boxes import parse_boxes
from client.errors import InputError, NadirError, SceneError
from client.events import Done, FinalEvent, Running
from client.jobs import JobClient
from client.payload import chat_request
from ui.components.answer import (
    NothingSent,
    Remedies,
    final_error,
    render_completion,
    render_empty,
    render_failure,
    render_partial,
)
from ui.components.job_status import JobCourse, render_status
from ui.components.objects import ObjectsView, objects_view
from ui.components.scene import format_area
from ui.components.viewer import PictureView
from ui.fragments import render
from ui.record import MAX_ANSWER_CHARACTERS, MAX_TROUBLE_CHARACTERS, JobRecord, read_record
from ui.shelf import SceneShelf, Sizing

REMEMBERED_S = 900
"""How long a submission under way is remembered, in seconds: longer than any submission takes."""
LIMIT_WAIT_S = 3
"""How long a scene waits to be shown for what the service says of its limits, in seconds."""
LIMIT_KEPT_S = 60
"""How long that is believed, in seconds."""


@dataclass(frozen=True)
class Shown:
    """What a handler has the page show; what is None stays as it is."""

    status: str | None = None
    answer: str | None = None
    record: dict[str, Any] | None = None
    busy: bool | None = None
    """Whether a job goes on, so that the button that starts one rests."""

    def outputs(self, label: str) -> tuple[Any, Any, Any, Any]:
        """Returns the values of status, answer, record and the button, in Gradio's terms."""
        button = gr.skip() if self.busy is None else gr.Button(label, interactive=not self.busy)
        return (*(gr.skip() if value is None else value for value in (self.status, self.answer, self.record)), button)


logger = logging.getLogger(__name__)

UNCHANGED = Shown()
"""Gradio empties the outputs of a generator that ends without having yielded."""


class JobDesk:
    """Runs the jobs of one page on one service."""

    def __init__(
        self, client: JobClient, shelf: SceneShelf, *, remedies: Remedies, cancel_target: str, asks: bool = False
    ) -> None:
        self.client = client
        self._shelf = shelf
        self._remedies = remedies
        self._cancel_target = cancel_target
        self._asks = asks
        self._called_off: TTLCache[str, bool] = TTLCache(maxsize=10_000, ttl=REMEMBERED_S)
        self._courses: TTLCache[str, JobCourse] = TTLCache(maxsize=10_000, ttl=REMEMBERED_S)
        self._engine = alru_cache(ttl=REMEMBERED_S)(self._ask_for_engine)
        self._limit = alru_cache(ttl=LIMIT_KEPT_S)(self._ask_for_limit)

    async def submit(self, value: Any) -> AsyncIterator[Shown]:
        """Prepares the picture and submits the job of a record that has none yet.

        A job that ended before the service took it, or belongs to a batch, is not sent unasked.
        """
        record = read_record(value)
        if record is None or record.call_id:
            yield UNCHANGED
            return
        if record.state:
            yield self._unsent(record)
            return
        course = self._courses[record.key] = JobCourse.submitting(self.client.service)
        yield Shown(self._status(course), self._partial(record, ""), busy=True)
        try:
            record, thumbnail = await asyncio.gather(self._send(record), self._thumbnail(record))
        except Exception as error:
            yield self._refused(record, told(error))
            return
        course.submitted(record.call_id)
        yield Shown(self._status(course), record=self._kept(record, thumbnail=thumbnail))

    async def watch(self, value: Any) -> AsyncIterator[Shown]:
        """Follows the job of a record until it ends, and shows it all the way."""
        record = read_record(value)
        if record is None or not record.call_id:
            yield UNCHANGED
            return
        course = self._courses.pop(record.key, None) or JobCourse(self.client.service, call_id=record.call_id)
        text = ""
        yield Shown(self._status(course), self._partial(record, text), busy=True)
        try:
            async for event in self.client.job(record.call_id).events(live=True):
                status = self._status(course) if course.observe(event) else None
                if event.is_final:
                    yield await self._ended(record, course, event)
                    return
                grown = isinstance(event, Running) and event.partial != text
                text = event.partial if isinstance(event, Running) else text
                yield Shown(status, self._partial(record, text) if grown else None)
        except Exception as error:
            yield Shown(self._status(course), render_failure(told(error), self._remedies), busy=False)

    async def cancel(self, value: Any) -> str | None:
        """Cancels the job of a record, now or as soon as the service has taken it; returns what to say, if anything."""
        record = read_record(value)
        if record is None:
            return None
        self._called_off[record.key] = True
        if not record.call_id:
            return None
        try:
            await self.client.job(record.call_id).cancel()
        except NadirError as error:
            return f"The job could not be cancelled: {error}"
        return None

    async def max_pixels(self) -> int | None:
        """Returns the most pixels that the service looks at; None where it does not say, or not soon."""
        asking = asyncio.ensure_future(self._limit())
        # It goes on beyond the wait, so that a service which wakes up slowly is known the next time.
        done, _ = await asyncio.wait({asking}, timeout=LIMIT_WAIT_S)
        return asking.result() if done else None

    async def _send(self, record: JobRecord) -> JobRecord:
        """Returns the record of the submitted job."""
        if not record.prompt.strip():
            raise NothingSent("There is no question yet." if self._asks else "There is no prompt yet.")
        if record.scene is None or not record.scene.source:
            raise NothingSent("There is no scene yet. Drop one, or pick a sample.")
        sizing = Sizing(record.detail, record.enlarge, await self.max_pixels())
        picture, sent = await self._shelf.picture(record.scene, sizing)
        request = chat_request(
            self.client.service,
            record.prompt,
            picture,
            history=record.history if self._asks else (),
            max_tokens=record.max_tokens,
            temperature=record.temperature,
        )
        job = await self.client.submit(request, idempotency_key=record.key)
        if self._called_off.pop(record.key, False):
            await job.cancel()
        return record.model_copy(update={"call_id": job.call_id, "sent": sent})

    async def _thumbnail(self, record: JobRecord) -> str:
        return await self._shelf.thumbnail(record.scene) if record.scene else ""

    async def _ended(self, record: JobRecord, course: JobCourse, event: FinalEvent) -> Shown:
        # A job that had ended before this tab asked for it keeps the time that was seen then.
        took_s = course.total_s() if record.took_s is None else record.took_s
        ended = {"state": str(event.stage), "took_s": took_s, "engine": await self._engine()}
        if not isinstance(event, Done):
            kept = self._kept(record, **ended, trouble=event.message[:MAX_TROUBLE_CHARACTERS])
            return Shown(self._status(course), render_failure(final_error(event), self._remedies), kept, busy=False)
        answer = render_completion(
            event.completion,
            engine=ended["engine"],
            total_s=took_s,
            max_tokens=record.max_tokens,
            remedies=self._remedies,
            question=self._question(record),
            area=_area(record),
            picture=self._seen(record),
            objects=await self._objects(record, event.completion.text),
        )
        kept = self._kept(record, **ended, answer=event.completion.text[:MAX_ANSWER_CHARACTERS])
        return Shown(self._status(course), answer + self._turns(record), kept, busy=False)

    async def _objects(self, record: JobRecord, text: str) -> ObjectsView | None:
        boxes = parse_boxes(text)
        if not boxes or record.sent is None or record.scene is None:
            return None
        try:
            scene = await self._shelf.scene(record.scene)
        except SceneError:
            scene = None
        return objects_view(boxes, record.scene, record.sent, scene)

    def _seen(self, record: JobRecord) -> PictureView | None:
        return self._shelf.view_of(record.sent, "What the model saw") if record.sent else None

    async def _ask_for_engine(self) -> str:
        try:
            return (await self.client.health()).engine or ""
        except NadirError:
            return ""

    async def _ask_for_limit(self) -> int | None:
        try:
            models = await self.client.models()
        except NadirError:
            return None
        return min((card.max_pixels for card in models.data if card.max_pixels), default=None) if models else None

    def _refused(self, record: JobRecord, error: NadirError) -> Shown:
        kept = self._kept(record, state="refused", trouble=str(error)[:MAX_TROUBLE_CHARACTERS])
        return Shown("", render_failure(error, self._remedies), kept, busy=False)

    def _unsent(self, record: JobRecord) -> Shown:
        if record.trouble:
            return Shown("", render_failure(InputError(record.trouble), self._remedies), busy=False)
        return Shown("", render_empty("send", "Not sent", "The service has not been asked this yet."), busy=False)

    def _kept(self, record: JobRecord, **changes: Any) -> dict[str, Any]:
        return record.model_copy(update=changes).model_dump(mode="json")

    def _status(self, course: JobCourse) -> str:
        return render_status(course, cancel_target=self._cancel_target)

    def _partial(self, record: JobRecord, text: str) -> str:
        return render_partial(text, question=self._question(record)) + self._turns(record)

    def _turns(self, record: JobRecord) -> str:
        return render("turns.html", turns=record.turns[::-1]) if self._asks else ""

    def _question(self, record: JobRecord) -> str:
        return record.prompt if self._asks else ""


def _area(record: JobRecord) -> str:
    """Returns which part of the scene was sent; empty for the whole of it."""
    sent = record.sent
    if sent is None or sent.shows_all:
        return ""
    size = f"area {sent.window.width} x {sent.window.height} px"
    return f"{size}, {format_area(sent.footprint)}" if sent.footprint else size


def told(error: Exception) -> NadirError:
    """Returns an error for people. One that nobody foresaw is logged, and told without its innards."""
    if isinstance(error, NadirError):
        return error
    logger.error("a job could not be shown", exc_info=error)
    return NadirError("Something in Nadir itself broke. Try again; the log of the server says more.")
