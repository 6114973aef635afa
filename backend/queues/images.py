"""Images apart from the requests that carry them: each is stored once, however many jobs look at it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

import sqlalchemy as sa

from backend.contract import ChatRequest, ImagePart, encode_data_url
from backend.images import NotAnImage, decode_data_url
from backend.queues.database import insert_if_new, metadata

images = sa.Table(
    "nadir_images",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("used_at", sa.Double, nullable=False),
)

job_images = sa.Table(
    "nadir_job_images",
    metadata,
    sa.Column("call_id", sa.String(80), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True, index=True),
)

_STAND_IN = re.compile(r"data:(?P<mime>[^;,]*);sha256,(?P<digest>[0-9a-f]{64})")


class MissingImage(Exception):
    """An image of the request is no longer stored."""


def take_out(request: ChatRequest) -> tuple[ChatRequest, dict[str, bytes]]:
    """Returns the request with a short stand-in for each `data:` URL, and the images by their SHA-256 digest.

    Other URLs stay as they are.
    """
    taken: dict[str, bytes] = {}

    def stand_in(url: str) -> str:
        try:
            data = decode_data_url(url)
        except NotAnImage:
            return url
        digest = hashlib.sha256(data).hexdigest()
        taken[digest] = data
        mime = url[len("data:") :].partition(";")[0]
        return f"data:{mime};sha256,{digest}"

    return _with_urls(request, stand_in), taken


def put_back(request: ChatRequest, stored: Mapping[str, bytes]) -> ChatRequest:
    """Returns the request with the images in place of their stand-ins.

    Raises:
        MissingImage: one of them is not among `stored`.
    """

    def data_url(url: str) -> str:
        match = _STAND_IN.fullmatch(url)
        if match is None:
            return url
        data = stored.get(match["digest"])
        if data is None:
            raise MissingImage(match["digest"])
        return encode_data_url(data, match["mime"])

    return _with_urls(request, data_url)


def store_images(connection: sa.Connection, call_id: str, taken: Mapping[str, bytes], now: float) -> None:
    """Stores the images that are new, and notes that the job needs all of them."""
    for digest, data in taken.items():
        # The update also keeps a sweep that runs at this moment from removing the image.
        touched = connection.execute(sa.update(images).where(images.c.digest == digest).values(used_at=now))
        if touched.rowcount == 0:
            connection.execute(insert_if_new(connection, images).values(digest=digest, data=data, used_at=now))
        connection.execute(insert_if_new(connection, job_images).values(call_id=call_id, digest=digest))


def load_images(connection: sa.Connection, call_id: str) -> dict[str, bytes]:
    """Returns the job's images by digest."""
    rows = connection.execute(
        sa.select(images.c.digest, images.c.data)
        .join(job_images, job_images.c.digest == images.c.digest)
        .where(job_images.c.call_id == call_id)
    )
    return {row.digest: row.data for row in rows}


def remove_images(connection: sa.Connection, call_ids: Iterable[str], unused_since: float) -> int:
    """Forgets what these jobs needed and removes the images that no job needs. Returns how many were removed."""
    connection.execute(sa.delete(job_images).where(job_images.c.call_id.in_(list(call_ids))))
    needed = sa.exists().where(job_images.c.digest == images.c.digest)
    return connection.execute(sa.delete(images).where(images.c.used_at < unused_since, ~needed)).rowcount


def _with_urls(request: ChatRequest, change: Callable[[str], str]) -> ChatRequest:
    changed = request.model_copy(deep=True)
    for message in changed.messages:
        for part in message.content if isinstance(message.content, list) else []:
            if isinstance(part, ImagePart):
                part.image_url.url = change(part.image_url.url)
    return changed
