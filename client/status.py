"""One poll: the status request, and what its answer means as an event."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict

from backend.contract import CANCELLED_MESSAGE, STATUS_PATH, Completion, Pending, Stage
from client.errors import InputError, ProtocolError
from client.events import Cancelled, Done, Expired, Failed, JobEvent, PendingEvent, Queued, Running, Starting, Waiting
from client.wire import Refused, Wire, read, retry_after_s

CALL_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """What came back from one poll."""

    event: JobEvent
    retry_after_s: float | None = None
    """How long the service asks not to be polled, in seconds; None when it does not say."""


class CancelAnswer(BaseModel):
    """The answer to a cancellation: any JSON object, which shows that the service itself has spoken."""

    model_config = ConfigDict(extra="ignore")


async def poll(wire: Wire, call_id: str, *, wait_s: float, timeout_s: float) -> Answer:
    """Polls a job once. The service may hold its answer for `wait_s`, and then be silent for `timeout_s` more.

    Raises:
        ServiceUnreachable, ServiceBusy, GarbledAnswer: the same poll may succeed later.
        AccessError, ProtocolError: it will not.
    """
    path = status_path(call_id)
    if wait_s > 0:
        path += f"?wait={wait_s:g}"
    try:
        response = await wire.send("GET", path, timeout_s=wait_s + timeout_s)
    except Refused as refused:
        return Answer(_ended_badly(refused, call_id))
    return _answer(response, call_id)


async def cancel(wire: Wire, call_id: str, *, timeout_s: float) -> None:
    """Cancels a job once. It is no error that the job has ended, well or badly, or is not known.

    Raises:
        ServiceUnreachable, ServiceBusy, GarbledAnswer: the same call may succeed later.
        AccessError.
        ProtocolError: the service cannot cancel jobs.
    """
    try:
        response = await wire.send("DELETE", status_path(call_id), timeout_s=timeout_s)
        if response.content:
            read(CancelAnswer, response)
    except Refused as refused:
        if refused.status == httpx.codes.METHOD_NOT_ALLOWED:
            message = "This service cannot cancel jobs. The job goes on; its answer need not be fetched."
            raise ProtocolError(message, call_id=call_id) from refused
        if refused.body is None:
            raise


def status_path(call_id: str) -> str:
    """Returns the path of a job's status.

    Raises:
        InputError: no call id looks like this.
    """
    if not CALL_ID.fullmatch(call_id):
        raise InputError(f"{call_id!r} is not a call id.")
    return STATUS_PATH.format(call_id=call_id)


def _answer(response: httpx.Response, call_id: str) -> Answer:
    if response.status_code == httpx.codes.OK:
        return Answer(Done(call_id, read(Completion, response)))
    pending = read(Pending, response)
    return Answer(_pending_event(pending, call_id), retry_after_s(response))


def _pending_event(pending: Pending, call_id: str) -> PendingEvent:
    match pending.stage:
        case Stage.QUEUED:
            return Queued(call_id, position=pending.position, elapsed_s=pending.elapsed)
        case Stage.STARTING:
            return Starting(call_id, elapsed_s=pending.elapsed)
        case Stage.RUNNING:
            return Running(call_id, partial=pending.partial or "", elapsed_s=pending.elapsed)
        case _:
            return Waiting(call_id, elapsed_s=pending.elapsed)


def _ended_badly(refused: Refused, call_id: str) -> JobEvent:
    if refused.body is None or refused.status == httpx.codes.METHOD_NOT_ALLOWED:
        raise refused
    said = refused.body.error
    if refused.status == httpx.codes.INTERNAL_SERVER_ERROR:
        return Failed(call_id, said, traceback=refused.body.traceback)
    if said == CANCELLED_MESSAGE:
        return Cancelled(call_id)
    return Expired(call_id, said)
