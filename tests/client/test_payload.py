"""What goes over the wire: sizes, tokens and messages."""

import pytest

from backend.services import CAPTIONING, VQA
from client.errors import SceneError
from client.payload import Detail, Picture, Turn, chat_request, image_tokens, model_size
from client.scene import Window

PICTURE = Picture(b"\x89PNG", "image/png", 64, 32, True, Window(0, 0, 64, 32))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (512, 512)),
        ((615, 800), (608, 800)),
        ((100, 100), (256, 256)),
        ((12_000, 12_000), (4096, 4096)),
        ((16_000, 8_000), (5792, 2880)),
    ],
)
def test_a_picture_gets_the_size_that_the_model_would_choose(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert model_size(*size) == expected


@pytest.mark.parametrize("detail", list(Detail))
@pytest.mark.parametrize("size", [(17, 23), (1000, 37), (699, 701), (5000, 3333), (20_000, 101)])
def test_the_model_would_not_resize_what_was_sized_for_it(size: tuple[int, int], detail: Detail) -> None:
    once = model_size(*size, max_pixels=detail.max_pixels)
    assert model_size(*once) == once
    assert once[0] * once[1] <= detail.max_pixels


def test_fast_is_about_a_thousand_tokens_and_standard_about_four_thousand() -> None:
    sizes = [model_size(9000, 9000, max_pixels=detail.max_pixels) for detail in (Detail.FAST, Detail.STANDARD)]
    assert [image_tokens(*size) for size in sizes] == [1024, 4096]


def test_a_chip_is_enlarged_only_when_asked() -> None:
    assert model_size(256, 256) == (256, 256)
    assert model_size(256, 256, enlarge=True) == (1024, 1024)
    assert model_size(1000, 1000, max_pixels=Detail.FAST.max_pixels, enlarge=True) == (1024, 1024)


def test_a_strip_that_the_model_refuses_is_refused_here() -> None:
    with pytest.raises(SceneError, match="too long and narrow"):
        model_size(4020, 20)


def test_the_picture_goes_into_the_first_turn_and_the_prompt_comes_last() -> None:
    history = [Turn("How many ships?", "Four."), Turn("Where?", "At the pier.")]
    request = chat_request(VQA, "Are they moored?", PICTURE, history=history)
    assert [message.role for message in request.messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [len(message.image_urls) for message in request.messages] == [1, 0, 0, 0, 0]
    assert request.messages[0].text == "How many ships?"
    assert request.prompt == "Are they moored?"


def test_a_request_says_what_its_bytes_are() -> None:
    request = chat_request(CAPTIONING, "Describe it.", PICTURE)
    assert request.image_urls == ["data:image/png;base64,iVBORw=="]


def test_a_request_takes_the_defaults_of_its_service_unless_told_otherwise() -> None:
    assert chat_request(VQA, "Why?", None).max_tokens == VQA.max_tokens
    assert chat_request(VQA, "Why?", None, temperature=0.9, max_tokens=9).temperature == 0.9
