from __future__ import annotations

import pytest

from backend.services import VQA
from client.snippets import SnippetRequest
from ui.components.snippets import public_url, render_snippets


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
