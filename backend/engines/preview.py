"""The embedded engine: no model, no network, no GPU. It says what can be measured in the pixels, and labels it so."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from threading import Lock

from backend.contract import ChatRequest, Usage
from backend.engines import Answer, EngineEvent, RequestRefused, TextPiece
from backend.engines.pixels.answers import answer_question
from backend.engines.pixels.measurements import Measurements, measure
from backend.images import NotAnImage, decode_data_url

NO_IMAGE = (
    "There is no image to measure. Attach one: the preview engine measures images, and has no model to talk with."
)
SEVERAL_IMAGES = "The request holds {count} images; the last one was measured."

CACHED_IMAGES = 64
"""Images whose measurements are kept, so that ten questions about one image measure it once."""

CONCURRENCY = 2
"""Images measured at once. Each keeps one core busy, and the largest takes a few hundred megabytes."""

WORDS_PER_PIECE = 4

_WORD = re.compile(r"\s*\S+")


class PreviewEngine:
    """Answers from measurements. The same request gets the same answer every time.

    Tokens are counted as words, the pieces that the text is cut into: `max_tokens` is the most words of an answer and
    `completion_tokens` how many it has. Nothing reads the prompt as tokens, so `prompt_tokens` is 0.
    """

    name = "preview"
    max_pixels: int | None = None

    def __init__(self, *, pace_s: float = 0.0) -> None:
        """Starts no work yet.

        Args:
            pace_s: seconds between pieces of text, for showing and testing an answer that is in progress.
        """
        self._pace_s = pace_s
        self._workers = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="preview")
        self._measured: OrderedDict[bytes, Future[Measurements]] = OrderedDict()
        self._lock = Lock()

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        """Answers one request; see `Engine.answer`.

        Raises:
            RequestRefused: the image cannot be read, or is an `http(s)` URL.
        """
        words = _WORD.findall(await self._compose(request))
        kept = words[: request.max_completion_tokens or request.max_tokens]
        for start in range(0, len(kept), WORDS_PER_PIECE):
            await asyncio.sleep(self._pace_s)
            yield TextPiece("".join(kept[start : start + WORDS_PER_PIECE]))
        usage = Usage(completion_tokens=len(kept), total_tokens=len(kept))
        yield Answer("".join(kept), "stop" if len(kept) == len(words) else "length", usage)

    async def warm_up(self) -> None:
        """Returns at once: there is no model to load."""

    async def close(self) -> None:
        """Lets go of the workers; measurements that have not begun are dropped."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _compose(self, request: ChatRequest) -> str:
        urls = request.image_urls
        if not urls:
            return NO_IMAGE
        measured = await self._measure(urls[-1])
        text = answer_question(request.prompt, measured)
        return text if len(urls) == 1 else f"{text} {SEVERAL_IMAGES.format(count=len(urls))}"

    async def _measure(self, url: str) -> Measurements:
        if url.lower().startswith(("http:", "https:")):
            raise RequestRefused(
                "The preview engine reaches no network, so it cannot measure an image behind a URL. "
                "Send the image itself, as a base64 data URL."
            )
        try:
            key, data = await asyncio.to_thread(_read_url, url)
            # Shielded: others may wait for the same measurement when this caller leaves.
            return await asyncio.shield(asyncio.wrap_future(self._measurement(key, data)))
        except NotAnImage as error:
            raise RequestRefused(f"The image cannot be measured: {error}.") from error

    def _measurement(self, key: bytes, data: bytes) -> Future[Measurements]:
        """Returns the measurement of this image: a new one, or the one that is under way or done."""
        with self._lock:
            if key not in self._measured:
                self._measured[key] = self._workers.submit(measure, data)
            self._measured.move_to_end(key)
            while len(self._measured) > CACHED_IMAGES:
                self._measured.popitem(last=False)
            return self._measured[key]


def _read_url(url: str) -> tuple[bytes, bytes]:
    data = decode_data_url(url)
    return sha256(data).digest(), data
