from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.contract import AnswerMessage, ChatRequest, Choice, Completion, Health, ModelCard, ModelList
from backend.services import VQA, ServiceSpec
from client.errors import NadirError, SceneError, ServiceUnreachable
from client.events import Done, JobEvent, Running
from client.payload import Picture
from client.scene import Window
from ui.components.answer import Action, Remedies
from ui.desk import JobDesk, Shown
from ui.record import RecordedScene, SentPicture
from ui.shelf import Sizing

BUTTON = Action("Button", "check", "target")
KEY = "0123456789abcdef"
PICTURE = Picture(data=b"png", mime="image/png", width=32, height=32, lossless=True, window=Window(0, 0, 32, 32))
SENT = SentPicture(
    file="ab/picture.png",
    mime="image/png",
    width=32,
    height=32,
    size_bytes=3,
    window=Window(0, 0, 32, 32),
    scene_width=32,
    scene_height=32,
)
COMPLETION = Completion(id="chatcmpl-fc-1", model=VQA.model, choices=[Choice(message=AnswerMessage(content="A dam."))])


class Job:
    def __init__(self, client: Client, call_id: str) -> None:
        self.client, self.call_id = client, call_id

    async def events(self, *, live: bool = False) -> AsyncIterator[JobEvent]:
        for event in self.client.script:
            if isinstance(event, NadirError):
                raise event
            yield event

    async def cancel(self) -> None:
        self.client.cancelled.append(self.call_id)


class Client:
    """A client whose jobs go as the script says."""

    service: ServiceSpec = VQA
    base_url = "http://127.0.0.1"

    def __init__(self, *script: JobEvent | NadirError) -> None:
        self.script = script
        self.requests: list[tuple[ChatRequest, str | None]] = []
        self.cancelled: list[str] = []
        self.refusal: NadirError | None = None
        self.while_submitting: Any = None
        self.max_pixels: int | None = None

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> Job:
        self.requests.append((request, idempotency_key))
        if self.while_submitting:
            await self.while_submitting()
        if self.refusal:
            raise self.refusal
        return Job(self, "fc-1")

    def job(self, call_id: str) -> Job:
        return Job(self, call_id)

    async def models(self) -> ModelList | None:
        return ModelList(data=[ModelCard(id=VQA.model, max_pixels=self.max_pixels)])

    async def health(self) -> Health:
        return Health(model=VQA.model, engine="preview")


class Shelf:
    def __init__(self) -> None:
        self.sizings: list[Sizing] = []

    async def picture(self, recorded: RecordedScene, sizing: Sizing) -> tuple[Picture, SentPicture]:
        self.sizings.append(sizing)
        if recorded.sample != "dam":
            raise SceneError("The scene is no longer on the server. Drop it again.")
        return PICTURE, SENT


def desk(client: Client, shelf: Shelf | None = None) -> JobDesk:
    remedies = Remedies(again=BUTTON, check=BUTTON, keep_waiting=BUTTON)
    shelf = shelf or Shelf()
    return JobDesk(client, shelf, remedies=remedies, cancel_target="cancel", asks=True)  # type: ignore[arg-type]


def record(**changes: Any) -> dict[str, Any]:
    return {"key": KEY, "service": "vqa", "prompt": "What is it?", "scene": {"sample": "dam"}, **changes}


async def collect(events: AsyncIterator[Shown]) -> list[Shown]:
    return [shown async for shown in events]


async def test_a_submission_carries_the_key_that_the_browser_made() -> None:
    client = Client()
    shown = await collect(desk(client).submit(record()))
    assert client.requests[0][1] == KEY
    assert shown[0].busy
    assert shown[-1].record is not None
    assert shown[-1].record["call_id"] == "fc-1"


async def test_the_picture_is_made_no_larger_than_the_service_looks_at() -> None:
    client, shelf = Client(), Shelf()
    client.max_pixels = 4_194_304
    await collect(desk(client, shelf).submit(record(detail="full")))
    assert shelf.sizings[0].max_pixels == 4_194_304


async def test_a_record_that_has_its_job_is_not_submitted_again() -> None:
    client = Client()
    assert await collect(desk(client).submit(record(call_id="fc-1"))) == [Shown()]
    assert client.requests == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": "   "}, "There is no question yet"),
        ({"scene": None}, "There is no scene yet"),
        ({"scene": {"upload": "/gone.tif"}}, "Drop it again"),
    ],
)
async def test_what_is_missing_is_said_and_nothing_is_sent(changes: dict[str, Any], words: str) -> None:
    client = Client()
    shown = await collect(desk(client).submit(record(**changes)))
    assert words in (shown[-1].answer or "")
    assert shown[-1].busy is False
    assert client.requests == []


async def test_a_service_that_refuses_frees_the_button() -> None:
    client = Client()
    client.refusal = ServiceUnreachable("Nothing answers at example.org.")
    shown = await collect(desk(client).submit(record()))
    assert "Nothing answers" in (shown[-1].answer or "")
    assert shown[-1].busy is False


async def test_earlier_turns_are_sent_along() -> None:
    client = Client()
    await collect(desk(client).submit(record(turns=[{"question": "Water?", "answer": "Yes."}])))
    assert [message.text for message in client.requests[0][0].messages] == ["Water?", "Yes.", "What is it?"]


async def test_watching_shows_the_text_as_it_grows_and_keeps_the_answer() -> None:
    client = Client(
        Running("fc-1", partial="A"),
        Running("fc-1", partial="A"),
        Running("fc-1", partial="A dam"),
        Done("fc-1", COMPLETION),
    )
    shown = await collect(desk(client).watch(record(call_id="fc-1")))
    grown = [one.answer for one in shown[1:-1]]
    assert [text is not None for text in grown] == [True, False, True]
    assert shown[-1].record is not None
    assert (shown[-1].record["state"], shown[-1].record["answer"]) == ("done", "A dam.")


async def test_a_wait_that_breaks_off_leaves_the_job_to_be_picked_up() -> None:
    client = Client(Running("fc-1", partial="A"), ServiceUnreachable("Nothing answers.", call_id="fc-1"))
    shown = await collect(desk(client).watch(record(call_id="fc-1")))
    assert "Nothing answers." in (shown[-1].answer or "")
    assert shown[-1].record is None
    assert shown[-1].busy is False


async def test_calling_off_a_submission_under_way_cancels_it_once_it_is_known() -> None:
    client = Client()
    made = desk(client)

    async def call_off() -> None:
        assert await made.cancel(record()) is None

    client.while_submitting = call_off
    await collect(made.submit(record()))
    assert client.cancelled == ["fc-1"]


async def test_cancelling_a_running_job_asks_the_service() -> None:
    client = Client()
    await desk(client).cancel(record(call_id="fc-1"))
    assert client.cancelled == ["fc-1"]
