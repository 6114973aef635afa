"""What goes into a batch and what comes out: items, results, progress."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from backend.contract import ChatRequest, Completion
from client.errors import NadirError

Loader = Callable[[], Awaitable[ChatRequest]]
"""Prepares an item's request. Called when its turn comes, so that few images are in memory at a time."""


@dataclass(frozen=True)
class BatchItem:
    """One question about one scene."""

    id: str
    """Its own within the batch, and the same in a later process that goes on with the batch."""
    request: ChatRequest | Loader
    label: str = ""
    """What people read: the scene's name, say. Need not be its own."""
    prompt: str = ""


@dataclass(frozen=True)
class ItemResult:
    """How an item ended."""

    item: BatchItem
    call_id: str | None = None
    """None where no job was submitted."""
    completion: Completion | None = None
    error: NadirError | None = None
    """Why there is no completion."""
    took_s: float | None = None
    """From the item's turn to its end, in seconds; None for one that an earlier process brought to its end."""

    @property
    def text(self) -> str | None:
        """The answer; None where there is none."""
        return self.completion.text if self.completion else None


@dataclass(frozen=True)
class Progress:
    """How a batch stands."""

    total: int
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    under_way: int = 0
    limit: int = 0
    """Jobs that may be under way at once at present."""
    paused: str | None = None
    """Why nothing is submitted at present, for a person; None while it goes on."""

    @property
    def ended(self) -> int:
        """Items that have ended, well or badly."""
        return self.done + self.failed + self.cancelled


def item_ids(keys: Iterable[Sequence[str]]) -> list[str]:
    """Returns an id for each key, such as (file, prompt): the same at every call, and its own for equal keys too."""
    seen: Counter[str] = Counter()
    ids = []
    for key in keys:
        digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:24]
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids
