from __future__ import annotations

import pytest

from ui.pages.history import clean_call_id


@pytest.mark.parametrize(
    "pasted",
    [
        "fc-01JABC",
        "  fc-01JABC\n",
        '"fc-01JABC",',
        "https://example.org/v1/chat/completions/status/fc-01JABC?wait=5",
        "/v1/chat/completions/status/fc-01JABC/",
    ],
)
def test_a_call_id_is_found_in_what_was_pasted(pasted: str) -> None:
    assert clean_call_id(pasted) == "fc-01JABC"
