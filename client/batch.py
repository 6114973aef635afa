"""Many jobs: as many at once as the service can use, results as they end, and nothing submitted twice.

batch = Batch(client, items, journal=Journal(Path("run.jsonl"), client.service.key))
async for result in batch.results():
    print(result.item.label, result.text)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from backend.contract import ChatRequest, Completion
from client.circuit import Circuit
from client.errors import (
    AccessError,
    GarbledAnswer,
    InputError,
    JobCancelled,
    JobFailed,
    JobGone,
    NadirError,
    ProtocolError,
    ServiceBusy,
    ServiceUnreachable,
)
from client.events import JobEvent
from client.items import BatchItem, ItemResult, Progress
from client.jobs import Job, JobClient, completion_of
from client.journal import Entry, Journal, Trace
from client.retry import RetryPolicy
from client.submissions import Submissions
from client.throttle import MOST, Throttle

PATIENCE = RetryPolicy(attempts=3, max_pause_s=1.0, errors=(ServiceUnreachable, GarbledAnswer))
"""How long one call is tried before the batch counts a failure; a busy service is the throttle's affair."""

MAX_ROUNDS = 8
"""Failures, each after `PATIENCE`, after which an item is given up although the service answers others."""

LASTING_ERRORS = (JobFailed, InputError)
"""Errors that an item would meet again, so that a later process does not try it."""

COMMON_ERRORS = (AccessError, ProtocolError)
"""Errors that every other item would meet too."""

CALLED_OFF = "The batch called the job off."

log = logging.getLogger(__name__)


class Batch:
    """A number of items on their way through one service. Runs once."""

    def __init__(
        self,
        client: JobClient,
        items: Sequence[BatchItem],
        *,
        journal: Journal | None = None,
        max_concurrent: int = MOST,
        on_change: Callable[[Progress], None] | None = None,
        on_event: Callable[[BatchItem, JobEvent], None] = lambda *_: None,
    ) -> None:
        """
        Args:
            journal: where what happens is written, and what an earlier process did is read.
            max_concurrent: most jobs under way at once; the batch finds out itself how many the service can use.
            on_change: called with the progress whenever it changes.
            on_event: called with what is heard of each job.

        Raises:
            InputError: two items have the same id.
        """
        if len({item.id for item in items}) < len(items):
            raise InputError("Two items of the batch have the same id. Give each its own.")
        self._client = client
        self._items = items
        self._journal = journal
        self._on_change = on_change
        self._on_event = on_event
        self._progress = Progress(total=len(items))
        self._throttle = Throttle(client.clock, most=max_concurrent)
        self._circuit = Circuit(client.health, client.clock, self._tell)
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self._waiting = {item.id: item for item in items}
        self._feeder: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._traces: dict[str, Trace] = {}
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._called_off: set[str] = set()
        self._submissions = Submissions(client, PATIENCE)
        self._ended: asyncio.Queue[ItemResult | Exception] = asyncio.Queue()

    @property
    def progress(self) -> Progress:
        """How the batch stands."""
        paused = self._circuit.reason or (None if self._may_go_on.is_set() else "Paused.")
        throttle = self._throttle
        return replace(self._progress, under_way=throttle.under_way, limit=throttle.limit, paused=paused)

    async def results(self) -> AsyncIterator[ItemResult]:
        """Yields each item's result as it ends, those that the journal knows first.

        Leaving early stops the waiting, not the jobs; with the journal a later process picks them up.

        Raises:
            Exception: what a loader raised that is no `NadirError`.
        """
        self._feeder = asyncio.create_task(self._feed())
        try:
            for _ in self._items:
                ended = await self._ended.get()
                if isinstance(ended, Exception):
                    raise ended
                yield ended
            await self._submissions.drain()
        finally:
            tasks = [self._feeder, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._submissions.close()
            await self._circuit.close()

    def pause(self) -> None:
        """Submits no more; what is under way goes on."""
        self._may_go_on.clear()
        self._tell()

    def resume(self) -> None:
        """Submits again."""
        self._may_go_on.set()
        self._tell()

    async def cancel(self, item_id: str | None = None) -> None:
        """Cancels one item, or all that have not ended. Their results say so.

        A service that cannot cancel jobs works on, but its answers are not waited for.
        """
        if item_id is None:
            self._drop_waiting(JobCancelled(CALLED_OFF))
        elif item := self._waiting.pop(item_id, None):
            self._finish(ItemResult(item, error=JobCancelled(CALLED_OFF)))
        under_way = [item for item in self._tasks if item_id in (None, item)]
        self._called_off.update(under_way)
        await asyncio.gather(*(self._cancel_job(item) for item in under_way))

    async def _cancel_job(self, item_id: str) -> None:
        # Before the task: a cancelled task may no longer know its call id.
        trace = self._traces.get(item_id)
        if trace and trace.call_id:
            with contextlib.suppress(NadirError):
                await self._client.cancel(trace.call_id)
        if task := self._tasks.get(item_id):
            task.cancel()
        await self._submissions.take_back(item_id)

    async def _feed(self) -> None:
        try:
            await self._feed_all()
        except Exception as error:
            # Without a feeder nothing else would ever end.
            self._ended.put_nowait(error)

    async def _feed_all(self) -> None:
        """Starts an item whenever another one may be under way."""
        for item in self._items:
            if self._trace(item).is_over:
                del self._waiting[item.id]
                self._finish(self._recalled(item))
        while self._waiting:
            await self._may_go_on.wait()
            await self._circuit.passage()
            await self._throttle.take()
            if not self._waiting or not self._may_go_on.is_set():
                self._throttle.give_back()
                continue
            item = self._waiting.pop(next(iter(self._waiting)))
            self._tasks[item.id] = asyncio.create_task(self._run(item))
            self._tell()

    async def _run(self, item: BatchItem) -> None:
        began_at, trace = self._client.clock.now(), self._trace(item)
        self._traces[item.id] = trace
        result = ItemResult(item)
        try:
            result = replace(result, completion=await self._carry_out(item, trace))
        except NadirError as error:
            result = replace(result, error=error)
        except asyncio.CancelledError:
            if item.id not in self._called_off:
                raise
            result = replace(result, error=JobCancelled(CALLED_OFF))
        except Exception as error:
            self._ended.put_nowait(error)
            return
        finally:
            del self._tasks[item.id], self._traces[item.id]
            self._throttle.give_back()
        self._finish(replace(result, call_id=trace.call_id, took_s=self._client.clock.now() - began_at))

    async def _carry_out(self, item: BatchItem, trace: Trace) -> Completion:
        """Brings an item to its end, through busy and broken times of the service."""
        give_up_at = self._client.clock.now() + self._client.timeout_s
        may_begin_anew = trace.call_id is not None
        failures = 0
        while True:
            await self._circuit.passage()
            await self._throttle.rest()
            try:
                completion = await self._attempt(item, trace)
                self._circuit.note_success()
                return completion
            except ServiceBusy as error:
                if self._client.clock.now() >= give_up_at:
                    raise
                self._throttle.refused(error.retry_after_s)
            except (ServiceUnreachable, GarbledAnswer) as error:
                failures += 1
                if failures >= MAX_ROUNDS:
                    raise
                self._circuit.note_failure(error)
            except JobGone:
                # An earlier process submitted it so long ago, or cancelled it, that it must be submitted again.
                if not may_begin_anew:
                    raise
                may_begin_anew, trace.key, trace.call_id = False, None, None

    async def _attempt(self, item: BatchItem, trace: Trace) -> Completion:
        if trace.call_id is not None:
            return await self._result(item, self._client.job(trace.call_id))
        request = item.request if isinstance(item.request, ChatRequest) else await item.request()
        if trace.key is None:
            trace.key = f"{self._name}-{next(self._numbers)}"
            self._note(Entry(item=item.id, key=trace.key))
        job = await self._submissions.submit(item.id, request, trace.key)
        del request
        trace.call_id = job.call_id
        self._note(Entry(item=item.id, call_id=job.call_id))
        self._circuit.note_success()
        submitted_at = self._client.clock.now()
        completion = await self._result(item, job)
        self._throttle.note_time(self._client.clock.now() - submitted_at)
        return completion

    async def _result(self, item: BatchItem, job: Job) -> Completion:
        async for event in job.events(retry=PATIENCE):
            self._on_event(item, event)
            if event.is_final:
                return completion_of(event)
        raise AssertionError("events() ended without a final event")

    def _finish(self, result: ItemResult) -> None:
        progress = self._progress
        match result.error:
            case None:
                self._progress = replace(progress, done=progress.done + 1)
            case JobCancelled():
                self._progress = replace(progress, cancelled=progress.cancelled + 1)
            case _:
                self._progress = replace(progress, failed=progress.failed + 1)
        try:
            self._note_end(result)
        except OSError:
            # A later process learns it again from the service, under the call id that the journal has.
            log.exception("The journal of a batch could not be written")
        finally:
            self._ended.put_nowait(result)
        if isinstance(result.error, COMMON_ERRORS) and not isinstance(result.error, GarbledAnswer):
            self._drop_waiting(result.error)
        self._tell()

    def _note_end(self, result: ItemResult) -> None:
        if result.took_s is not None and (result.completion or isinstance(result.error, LASTING_ERRORS)):
            failure = str(result.error) if result.error else None
            self._note(Entry(item=result.item.id, completion=result.completion, failure=failure))

    def _drop_waiting(self, error: NadirError) -> None:
        """Ends every item that has not begun."""
        waiting, self._waiting = self._waiting, {}
        for item in waiting.values():
            self._finish(ItemResult(item, error=error))

    def _recalled(self, item: BatchItem) -> ItemResult:
        trace = self._trace(item)
        error = None if trace.failure is None else JobFailed(trace.failure, call_id=trace.call_id)
        return ItemResult(item, call_id=trace.call_id, completion=trace.completion, error=error)

    def _trace(self, item: BatchItem) -> Trace:
        return self._journal.trace(item.id) if self._journal else Trace()

    def _note(self, entry: Entry) -> None:
        if self._journal:
            self._journal.write(entry)

    def _tell(self) -> None:
        if self._on_change:
            self._on_change(self.progress)
