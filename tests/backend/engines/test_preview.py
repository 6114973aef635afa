"""The preview engine as a queue meets it: requests in, events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backend.contract import ChatRequest, ImagePart, ImageURL, Message, TextPart, encode_data_url
from backend.engines import Answer, EngineEvent, RequestRefused, TextPiece
from backend.engines import preview as preview_module
from backend.engines.pixels.measurements import Measurements, measure
from backend.engines.preview import NO_IMAGE, PreviewEngine
from tests.backend.engines import drawn

GREEN = encode_data_url(drawn.encoded(drawn.side_by_side(drawn.GRASS)), "image/png")
BLUE = encode_data_url(drawn.encoded(drawn.side_by_side(drawn.WATER, (28, 82, 118))), "image/png")


def turn(text: str, *urls: str, role: str = "user") -> Message:
    images = [ImagePart(type="image_url", image_url=ImageURL(url=url)) for url in urls]
    return Message.model_validate({"role": role, "content": [TextPart(type="text", text=text), *images]})


def request(*turns: Message, max_tokens: int | None = None) -> ChatRequest:
    return ChatRequest(model="qwen-vqa-special", messages=list(turns), max_tokens=max_tokens, temperature=0.0)


async def events(engine: PreviewEngine, asked: ChatRequest) -> list[EngineEvent]:
    return [event async for event in engine.answer(asked)]


async def answer(engine: PreviewEngine, asked: ChatRequest) -> Answer:
    last = (await events(engine, asked))[-1]
    assert isinstance(last, Answer)
    return last


@pytest.fixture
async def engine() -> AsyncIterator[PreviewEngine]:
    engine = PreviewEngine()
    yield engine
    await engine.close()


async def test_the_pieces_make_up_the_answer(engine: PreviewEngine) -> None:
    *pieces, last = await events(engine, request(turn("Describe this image.", GREEN)))

    assert isinstance(last, Answer)
    assert len(pieces) > 5
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) == last.text
    assert last.finish_reason == "stop"


async def test_the_words_of_the_answer_are_its_tokens(engine: PreviewEngine) -> None:
    last = await answer(engine, request(turn("Is there water?", BLUE)))

    assert last.usage.prompt_tokens == 0
    assert last.usage.completion_tokens == last.usage.total_tokens == len(last.text.split())


async def test_an_answer_is_cut_off_at_max_tokens(engine: PreviewEngine) -> None:
    whole = await answer(engine, request(turn("Describe it.", GREEN)))

    last = await answer(engine, request(turn("Describe it.", GREEN), max_tokens=9))

    assert last.finish_reason == "length"
    assert last.usage.completion_tokens == 9
    assert last.text.split() == whole.text.split()[:9]


async def test_the_same_request_gets_the_same_answer() -> None:
    asked = request(turn("Describe it.", encode_data_url(drawn.scene("salt_lake_ponds"), "image/jpeg")))

    first, second = PreviewEngine(), PreviewEngine()

    assert await events(first, asked) == await events(second, asked)
    await first.close()
    await second.close()


async def test_a_request_without_an_image_is_told_so(engine: PreviewEngine) -> None:
    assert (await answer(engine, request(turn("Is there water?")))).text == NO_IMAGE


async def test_the_last_question_counts_and_the_image_may_be_in_an_earlier_turn(engine: PreviewEngine) -> None:
    asked = request(turn("Is there grass?", BLUE), turn("No.", role="assistant"), turn("And is there any water?"))

    assert (await answer(engine, asked)).text.startswith("Yes.")


async def test_of_several_images_the_last_is_measured_and_that_is_said(engine: PreviewEngine) -> None:
    last = await answer(engine, request(turn("Is there water?", GREEN, BLUE)))

    assert last.text.startswith("Yes.")
    assert last.text.endswith("The request holds 2 images; the last one was measured.")


@pytest.mark.parametrize("url", ["https://example.org/scene.png", "HTTP://example.org/scene.png"])
async def test_an_image_behind_a_url_is_refused(engine: PreviewEngine, url: str) -> None:
    with pytest.raises(RequestRefused, match="reaches no network"):
        await events(engine, request(turn("Is there water?", url)))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("data:image/png;base64,AAAA", "not a PNG"),
        ("data:image/png;base64,%%%", "base64 is damaged"),
        ("ftp://example.org/scene.png", "not a base64 data URL"),
        (encode_data_url(drawn.scene("nile_red_sea")[:9000], "image/jpeg"), "cut short"),
    ],
)
async def test_an_image_that_cannot_be_read_is_refused_with_the_reason(
    engine: PreviewEngine, url: str, reason: str
) -> None:
    with pytest.raises(RequestRefused, match=reason):
        await events(engine, request(turn("Is there water?", url)))


async def test_ten_questions_about_one_image_measure_it_once(
    engine: PreviewEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def counting(data: bytes) -> Measurements:
        measured.append(len(data))
        return measure(data)

    monkeypatch.setattr(preview_module, "measure", counting)

    answers = await asyncio.gather(*(answer(engine, request(turn("Is there water?", BLUE))) for _ in range(10)))

    assert len({last.text for last in answers}) == 1
    assert len(measured) == 1


async def test_closing_the_iterator_early_stops_the_answer() -> None:
    engine = PreviewEngine(pace_s=0.001)
    stream = engine.answer(request(turn("Describe it.", GREEN)))
    first = await anext(stream)
    assert isinstance(first, TextPiece)

    await stream.aclose()

    assert [event async for event in stream] == []
    await engine.close()


async def test_a_caller_who_leaves_does_not_spoil_the_measurement_for_the_next(engine: PreviewEngine) -> None:
    leaving = asyncio.create_task(events(engine, request(turn("Is there water?", BLUE))))
    await asyncio.sleep(0)
    leaving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await leaving

    assert (await answer(engine, request(turn("Is there water?", BLUE)))).text.startswith("Yes.")


async def test_the_event_loop_runs_while_an_image_is_measured(engine: PreviewEngine) -> None:
    job = asyncio.create_task(
        answer(engine, request(turn("", encode_data_url(drawn.scene("itaipu_reservoir"), "image/jpeg"))))
    )
    turns = 0
    while not job.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert turns > 5
    assert "water covers about 39%" in job.result().text
