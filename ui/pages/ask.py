"""The Ask page: a conversation about one scene."""

from __future__ import annotations

from collections.abc import Sequence

from client.jobs import JobClient
from client.samples import Sample
from ui.pages.working_view import ViewText, WorkingView, build_view
from ui.shelf import SceneShelf

PRESETS = (
    ("Main land cover", "What is the main land cover in this image?"),
    ("Water?", "Is there water in this image?"),
    ("Rural or urban?", "Is this area rural or urban?"),
    ("Share of vegetation", "How much of the image is vegetation?"),
    ("How many ships?", "How many ships are visible?"),
    ("Colours", "What are the dominant colours?"),
)


def build_ask(client: JobClient, shelf: SceneShelf, samples: Sequence[Sample]) -> WorkingView:
    """Lays out the Ask page."""
    text = ViewText(
        name="ask",
        prompt_label="Question",
        prompt_placeholder="Such as: how many ships are in this harbour? Enter asks.",
        prompt="",
        presets=PRESETS,
        action="Ask",
        empty_icon="message-circle-question-mark",
        empty_title="No question yet",
        empty_message="Choose a scene on the left and ask about it. Follow-up questions remember the earlier ones.",
    )
    return build_view(client, shelf, samples, text)
