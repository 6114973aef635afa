from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.contract import AnswerMessage, ChatRequest, Choice, Completion, Health, ModelCard, ModelList
from backend.services import VQA, ServiceSpec
from client.errors import NadirError, SceneError, ServiceUnreachable
from client.events import Done, Failed, JobEvent, Running
from client.payload import Detail, Picture
from client.scene import Band, Rendering, Scene, Window
from ui.components.answer import Action, Remedies
from ui.components.viewer import PictureView, picture_view
from ui.desk import JobDesk, Shown
from ui.record import RecordedScene, SentPicture
from ui.shelf import Sizing

BUTTON = Action("Button", "check", "target")
KEY = "0123456789abcdef"
PICTURE = Picture(data=b"png", mime="image/png", width=32, height=32, lossless=True, window=Window(0, 0, 32, 32))
SCENE = Scene(
    path=Path("dam.png"),
    name="dam.png",
    format="PNG",
    byte_size=1,
    digest="0",
    width=64,
    height=32,
    bands=(Band(1, "Grey", "uint8", "gray"),),
    dtype="uint8",
    rendering=Rendering(),
)
SENT = SentPicture(
    file="0a/picture.png",
    mime="image/png",
    width=32,
    height=32,
    size_bytes=3,
    window=PICTURE.window,
    scene_width=64,
    scene_height=32,
    footprint=((10, 50), (11, 50), (11, 49), (10, 49)),
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
        self.limit: int | NadirError | None = None

    async def submit(self, request: ChatRequest, *, idempotency_key: str | None = None) -> Job:
        self.requests.append((request, idempotency_key))
        if self.while_submitting:
            await self.while_submitting()
        if self.refusal:
            raise self.refusal
        return Job(self, "fc-1")

    def job(self, call_id: str) -> Job:
        return Job(self, call_id)

    async def health(self) -> Health:
        return Health(model=VQA.model, engine="preview")

    async def models(self) -> ModelList | None:
        if isinstance(self.limit, NadirError):
            raise self.limit
        return ModelList(data=[ModelCard(id=VQA.model, max_pixels=self.limit)])


class Shelf:
    """A shelf with one scene."""

    def __init__(self) -> None:
        self.sizings: list[Sizing] = []

    async def picture(self, scene: RecordedScene, sizing: Sizing) -> tuple[Picture, SentPicture]:
        self.sizings.append(sizing)
        return PICTURE, (await self.scene(scene)) and SENT

    async def scene(self, scene: RecordedScene) -> Scene:
        if scene.sample != "dam":
            raise SceneError("The scene is no longer on the server. Drop it again.")
        return SCENE

    def view_of(self, sent: SentPicture, title: str) -> PictureView:
        return picture_view(sent, sent.file, title)

    async def thumbnail(self, recorded: RecordedScene) -> str:
        return f"data:image/webp;base64,{recorded.sample}"


def desk(client: Client, shelf: Shelf | None = None) -> JobDesk:
    remedies = Remedies(again=BUTTON, check=BUTTON, keep_waiting=BUTTON)
    return JobDesk(client, shelf or Shelf(), remedies=remedies, cancel_target="cancel", asks=True)  # type: ignore[arg-type]


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


async def test_a_submitted_record_carries_a_thumbnail_of_its_scene() -> None:
    shown = await collect(desk(Client()).submit(record()))
    assert shown[-1].record is not None
    assert shown[-1].record["thumbnail"] == "data:image/webp;base64,dam"


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


async def test_a_refused_record_that_is_opened_again_shows_the_refusal_and_sends_nothing() -> None:
    client = Client()
    shown = await collect(desk(client).submit(record(state="refused", trouble="The image is too large.")))
    assert "The image is too large." in (shown[-1].answer or "")
    assert client.requests == []


async def test_a_row_of_a_batch_that_waits_there_is_shown_and_not_sent_a_second_time() -> None:
    client = Client()
    shown = await collect(desk(client).submit(record(state="waiting")))
    assert "Not sent" in (shown[-1].answer or "")
    assert shown[-1].record is None
    assert client.requests == []


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


async def test_the_end_of_a_job_leaves_its_engine_and_time_in_the_record() -> None:
    made = desk(Client(Running("fc-1", elapsed_s=3.0), Done("fc-1", COMPLETION)))
    shown = await collect(made.watch(record(call_id="fc-1")))
    assert shown[-1].record is not None
    assert shown[-1].record["engine"] == "preview"
    assert shown[-1].record["took_s"] >= 3.0


async def test_looking_again_at_an_ended_job_keeps_the_time_that_was_seen() -> None:
    shown = await collect(desk(Client(Done("fc-1", COMPLETION))).watch(record(call_id="fc-1", took_s=12.0)))
    assert shown[-1].record is not None
    assert shown[-1].record["took_s"] == 12.0
    assert "12 s" in (shown[-1].answer or "")


async def test_a_job_without_an_answer_leaves_the_reason_in_the_record() -> None:
    shown = await collect(desk(Client(Failed("fc-1", "Out of memory"))).watch(record(call_id="fc-1")))
    assert shown[-1].record is not None
    assert (shown[-1].record["state"], shown[-1].record["trouble"]) == ("failed", "Out of memory")


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


async def test_a_job_keeps_what_was_sent_and_its_answer_says_which_area_it_is_about() -> None:
    client = Client(Done("fc-1", COMPLETION))
    made = desk(client)
    kept = (await collect(made.submit(record())))[-1].record
    assert kept is not None
    answer = (await collect(made.watch(kept)))[-1].answer or ""
    assert "area 32 x 32 px, 50.0000° N 10.0000° E to 49.0000° N 11.0000° E" in answer
    assert 'data-view="0a/picture.png"' in answer


async def test_the_picture_is_made_as_the_user_and_the_service_want_it() -> None:
    client, shelf = Client(), Shelf()
    client.limit = 1_000_000
    await collect(desk(client, shelf).submit(record(detail="full", enlarge=True)))
    assert shelf.sizings == [Sizing(Detail.FULL, enlarge=True, max_pixels=1_000_000)]


async def test_a_service_that_does_not_say_what_it_takes_limits_nothing() -> None:
    client = Client()
    client.limit = ServiceUnreachable("Nothing answers.")
    assert await desk(client).max_pixels() is None


async def test_a_service_that_says_late_what_it_takes_is_known_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    awake = asyncio.Event()

    class Slow(Client):
        async def models(self) -> ModelList | None:
            await awake.wait()
            return await super().models()

    client = Slow()
    client.limit = 1_000_000
    made = desk(client)
    monkeypatch.setattr("ui.desk.LIMIT_WAIT_S", 0)
    assert await made.max_pixels() is None
    awake.set()
    monkeypatch.undo()
    assert await made.max_pixels() == 1_000_000


async def test_boxes_in_an_answer_are_listed_and_those_of_a_scene_that_is_gone_are_not_exported() -> None:
    text = '[{"bbox_2d": [0, 0, 500, 500], "label": "spillway"}]'
    boxes = COMPLETION.model_copy(update={"choices": [Choice(message=AnswerMessage(content=text))]})
    for scene, exported in (("dam", True), ("gone", False)):
        client = Client(Done("fc-1", boxes))
        value = record(call_id="fc-1", scene={"sample": scene}, sent=SENT.model_dump(mode="json"))
        answer = (await collect(desk(client).watch(value)))[-1].answer or ""
        assert "spillway" in answer
        assert ("GeoJSON" in answer) is exported


async def test_what_nobody_foresaw_frees_the_button_and_keeps_its_innards() -> None:
    client = Client()

    async def break_down() -> None:
        raise OSError(28, "No space left on device: /secret/path")

    client.while_submitting = break_down
    shown = await collect(desk(client).submit(record()))
    assert shown[-1].busy is False
    assert "Try again" in (shown[-1].answer or "")
    assert "/secret" not in (shown[-1].answer or "")
