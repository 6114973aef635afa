from __future__ import annotations

import pytest

from backend.services import VQA
from client.scene import Rendering, Stretch, Stretching, Window
from client.snippets import SnippetKind, SnippetRequest, render_snippet
from ui.components.snippets import public_url, render_snippets, with_scene

ASKED = SnippetRequest(
    service=VQA, base_url="http://127.0.0.1/vqa", prompt="How many ships?", max_tokens=8, temperature=0
)


@pytest.mark.parametrize(
    ("base_url", "page_url", "address"),
    [
        ("http://127.0.0.1:7860/vqa", "https://me-nadir.hf.space/", "https://me-nadir.hf.space/vqa"),
        ("http://127.0.0.1:7860/vqa", "http://127.0.0.1:7860/", "http://127.0.0.1:7860/vqa"),
        ("https://me--vqa-serve.modal.run", "https://me-nadir.hf.space/", "https://me--vqa-serve.modal.run"),
    ],
)
def test_code_names_the_address_that_its_reader_can_reach(base_url: str, page_url: str, address: str) -> None:
    assert public_url(base_url, page_url) == address


def test_the_dialog_offers_every_language_and_no_markup_of_the_prompt() -> None:
    asked = SnippetRequest(
        service=VQA, base_url="http://127.0.0.1/vqa", prompt="</code><script>x</script>", max_tokens=8, temperature=0
    )
    html = render_snippets(asked)
    assert all(label in html for label in ("Python", "TypeScript", "cURL"))
    assert "<script>x" not in html


def test_code_asks_for_what_the_panel_shows_by_the_names_of_its_files() -> None:
    panel = {
        "name": "Great Salt Lake",
        "file": "lake.tif",
        "picture": "picture.jpg",
        "rendering": {"bands": [4, 3, 2], "stretch": "minmax"},
        "window": {"x": 1, "y": 2, "width": 30, "height": 40},
    }
    asked = with_scene(ASKED, panel)
    assert (asked.image, asked.plain_image) == ("lake.tif", "picture.jpg")
    assert asked.rendering == Rendering((4, 3, 2), Stretch(Stretching.MINMAX))
    assert asked.window == Window(1, 2, 30, 40)


def test_a_panel_without_a_scene_leaves_the_file_to_the_reader() -> None:
    assert with_scene(ASKED, {"source": None, "name": ""}) == ASKED


@pytest.mark.parametrize(("file", "says"), [("photo.JPG", False), ("scene.tif", True)])
def test_the_dialog_says_where_to_get_a_picture_that_is_not_the_file(file: str, says: bool) -> None:
    asked = with_scene(ASKED, {"file": file})
    assert ("download it from What the model sees" in render_snippets(asked)) is says
    assert (file in render_snippet(SnippetKind.CURL, asked)) is not says
