"""A job whose caller stays on the line: followed to its end, streamed on the way, cancelled when the caller leaves."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import anyio
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from backend.answers import failure_message
from backend.contract import ChunkChoice, ChunkDelta, CompletionChunk, Stage, Usage
from backend.queues import JobQueue, JobStatus, QueueError

KEEP_ALIVE_S = 10.0
"""Longest silence of a stream, in seconds: below the idle limits of common proxies."""

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class LiveJob:
    """A submitted job and what was last seen of it."""

    def __init__(self, queue: JobQueue, call_id: str) -> None:
        self._queue = queue
        self.call_id = call_id
        self.seen: JobStatus | None = None

    async def change(self, wait_s: float) -> JobStatus:
        """Returns the job's status once it differs from what was seen, or after `wait_s` seconds."""
        self.seen = await self._queue.status(self.call_id, wait_s=wait_s if self.seen else 0.0, seen=self.seen)
        return self.seen

    async def end(self, wait_s: float = KEEP_ALIVE_S) -> JobStatus:
        """Returns the job's final status."""
        status = await self.change(0.0)
        while not status.stage.is_final:
            status = self.seen = await self._queue.status(self.call_id, wait_s=wait_s)
        return status

    async def first_sign(self, within_s: float) -> JobStatus:
        """Returns the job's status once it has words or an end, or after `within_s` seconds."""
        deadline = time.monotonic() + within_s
        status = await self.change(0.0)
        while not (status.partial or self.has_ended) and (left := deadline - time.monotonic()) > 0:
            status = await self.change(left)
        return status

    @property
    def has_ended(self) -> bool:
        """Whether the job was seen in a final stage."""
        return self.seen is not None and self.seen.stage.is_final

    async def release(self) -> None:
        """Cancels the job unless it has ended: nobody is left to take its answer."""
        if self.has_ended:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._queue.cancel(self.call_id)
            except QueueError as error:
                log.warning("Job %s was abandoned but could not be cancelled: %s", self.call_id, error)


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Returns what the work returns.

    Raises:
        ClientDisconnect: the caller left first; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class JobStream(EventSourceResponse):
    """Streams a live job as OpenAI's server-sent events, and releases it when the stream ends, however it ends."""

    def __init__(self, job: LiveJob, model: str, *, include_usage: bool, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(job_events(job, model, include_usage, keep_alive_s), headers=headers)
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._job.release()


async def job_events(job: LiveJob, model: str, include_usage: bool, keep_alive_s: float) -> AsyncIterator[bytes]:
    """Yields the job's server-sent events: chunks of text, comments during silence, the end or an error, `[DONE]`."""
    chunks = ChunkWriter(job.call_id, model)
    yield chunks.delta(ChunkDelta(role="assistant", content=""))
    try:
        status = job.seen or await job.change(0.0)
        while True:
            piece = chunks.take(status)
            if piece:
                yield chunks.delta(ChunkDelta(content=piece))
            if status.stage.is_final:
                break
            if not piece:
                yield format_sse_event(comment=status.stage)
            status = await job.change(keep_alive_s)
    except QueueError as error:
        yield error_event(str(error), 503)
        return
    if chunks.is_torn:
        yield error_event("The job was restarted midway, so that the streamed text is void. Ask again.", 500)
    elif status.completion is None:
        yield error_event(failure_message(status), status.error_status if status.stage is Stage.FAILED else 404)
    else:
        yield chunks.delta(ChunkDelta(), finish_reason=status.completion.finish_reason)
        if include_usage:
            yield chunks.usage(status.completion.usage)
        yield format_sse_event(data_str="[DONE]")


def error_event(message: str, status: int) -> bytes:
    """Returns the event that ends a stream which failed midway, in the form that OpenAI's SDKs raise as an error."""
    return format_sse_event(data_str=json.dumps({"error": {"message": message, "type": "job_error", "code": status}}))


class ChunkWriter:
    """Writes the chunks of one streamed answer."""

    def __init__(self, call_id: str, model: str) -> None:
        self._head = {"id": f"chatcmpl-{call_id}", "created": int(time.time()), "model": model}
        self._sent = ""
        self.is_torn = False
        """Whether the job's text stopped to be a continuation of what was sent, as after a restart of the job."""

    def take(self, status: JobStatus) -> str:
        """Returns what the status adds to the text that was sent so far."""
        text = status.completion.text if status.completion else status.partial
        if status.stage.is_final and status.completion is None:
            return ""
        self.is_torn = not text.startswith(self._sent)
        if self.is_torn:
            return ""
        piece = text[len(self._sent) :]
        self._sent = text
        return piece

    def delta(self, delta: ChunkDelta, finish_reason: str | None = None) -> bytes:
        """Returns the event of a chunk with one choice."""
        return self._event(choices=[ChunkChoice(index=0, delta=delta, finish_reason=finish_reason)])

    def usage(self, usage: Usage) -> bytes:
        """Returns the event of the last chunk, which has no choice."""
        return self._event(choices=[], usage=usage)

    def _event(self, **fields: Any) -> bytes:
        chunk = CompletionChunk(object="chat.completion.chunk", **self._head, **fields)
        return format_sse_event(data_str=chunk.model_dump_json(exclude_unset=True))
