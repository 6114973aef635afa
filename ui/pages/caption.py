"""The Caption page: a scene in, a description out."""

from __future__ import annotations

from collections.abc import Sequence

from client.jobs import JobClient
from client.samples import Sample
from ui.components.answer import Action
from ui.pages.working_view import ViewText, WorkingView, build_view
from ui.shelf import SceneShelf

ASK_ABOUT_ID = "caption-ask-about"
"""Element id of the button that takes the scene to the Ask page."""

PRESETS = (
    ("In detail", "Describe this satellite image in detail."),
    ("One sentence", "Describe this satellite image in one sentence."),
    ("Land cover", "Describe the land cover of this satellite image and where each type lies."),
    ("Built structures", "Describe the buildings, roads and other built structures in this satellite image."),
    ("Water", "Describe the rivers, lakes, reservoirs and coasts in this satellite image."),
)


def build_caption(client: JobClient, shelf: SceneShelf, samples: Sequence[Sample]) -> WorkingView:
    """Lays out the Caption page."""
    text = ViewText(
        name="caption",
        prompt_label="Prompt",
        prompt_placeholder="What the description should be about",
        prompt=client.service.default_prompt,
        presets=PRESETS,
        action="Describe scene",
        empty_icon="message-square",
        empty_title="No description yet",
        empty_message="Drop a scene on the left or pick a sample, then press Describe scene.",
    )
    onward = [Action("Ask about this scene", "message-circle-question-mark", ASK_ABOUT_ID)]
    return build_view(client, shelf, samples, text, onward)
