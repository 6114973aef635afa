"""The picture that the model sees, as the page offers it to be looked at pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

from ui.fragments import format_bytes
from ui.record import SentPicture


@dataclass(frozen=True)
class PictureView:
    """A picture for the viewer."""

    url: str
    title: str
    width: int
    height: int
    facts: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name under which it is saved."""
        return self.url.rpartition("/")[2]


def picture_view(sent: SentPicture, url: str, title: str) -> PictureView:
    """Returns what the viewer shows of a picture: the bytes that are sent, their size and what they cost."""
    facts = (
        f"{sent.width} x {sent.height} px",
        f"{sent.tokens:,} tokens",
        format_bytes(sent.size_bytes),
        sent.mime,
    )
    return PictureView(url, title, sent.width, sent.height, facts)
