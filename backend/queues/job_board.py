"""What gateways and GPU container tell each other about a service's jobs, kept in one `modal.Dict`.

A FunctionCall says only "not finished" until it ends, and its id is not tied to a service. The board adds who submitted
what, the text so far, and whether the model is being loaded. Each kind of entry has one writer, so none overwrites
another's news. Modal removes an entry after 7 days without use, as it does a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import modal

from backend.contract import Stage

ENGINE_ENTRY = "engine"


@dataclass(frozen=True)
class Submission:
    """A job that this service took. Written by gateways."""

    submitted_at: float
    """Unix time in seconds."""
    cancelled_at: float | None = None
    """Unix time in seconds; None while nobody cancelled it."""


class JobBoard:
    """The board of one service. Every method may raise what a `modal.Dict` raises when Modal cannot be reached."""

    def __init__(self, entries: modal.Dict) -> None:
        self._entries = entries

    @classmethod
    def of(cls, app_name: str) -> JobBoard:
        """Returns the board of a Modal app. Makes no request; the Dict is created when it is first used."""
        return cls(modal.Dict.from_name(f"{app_name}-jobs", create_if_missing=True))

    async def record(self, call_id: str, submission: Submission) -> None:
        """Writes down that the service took a job, or that it was cancelled."""
        entry = {"submitted_at": submission.submitted_at, "cancelled_at": submission.cancelled_at}
        await self._entries.put.aio(_submission_entry(call_id), entry)

    async def submission(self, call_id: str) -> Submission | None:
        """Returns what is known of a job; None when this service never took it."""
        entry = await self._entries.get.aio(_submission_entry(call_id))
        return None if entry is None else Submission(**entry)

    async def call_of(self, idempotency_key: str) -> str | None:
        """Returns the call id that a key stands for; None while it stands for none."""
        call_id: str | None = await self._entries.get.aio(_key_entry(idempotency_key))
        return call_id

    async def claim(self, idempotency_key: str, call_id: str) -> str:
        """Ties a key to a call id, unless it is tied already, and returns the call id that it is tied to."""
        if await self._entries.put.aio(_key_entry(idempotency_key), call_id, skip_if_exists=True):
            return call_id
        return await self.call_of(idempotency_key) or call_id

    async def report(self, call_id: str, text: str) -> None:
        """Tells the text so far; an empty one says that the job runs. Written by the GPU container."""
        await self._entries.put.aio(_text_entry(call_id), text)

    async def text(self, call_id: str) -> str | None:
        """Returns the text so far; None while the job has not begun to run."""
        text: str | None = await self._entries.get.aio(_text_entry(call_id))
        return text

    async def report_engine(self, stage: Stage) -> None:
        """Tells whether the model is being loaded (`starting`) or answers (`running`). Written by the GPU container."""
        await self._entries.put.aio(ENGINE_ENTRY, stage.value)

    async def engine_stage(self) -> Stage | None:
        """Returns what the GPU container told last; None when there never was one."""
        stage = await self._entries.get.aio(ENGINE_ENTRY)
        return None if stage is None else Stage(stage)


def _submission_entry(call_id: str) -> str:
    return f"{call_id}/submission"


def _text_entry(call_id: str) -> str:
    return f"{call_id}/text"


def _key_entry(idempotency_key: str) -> str:
    return f"key/{sha256(idempotency_key.encode()).hexdigest()}"
