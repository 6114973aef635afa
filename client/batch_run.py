"""A batch that belongs to the app and not to a tab: begun, paused, cancelled, resumed after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from backend.contract import ChatRequest, Stage
from client.batch import CALLED_OFF, LASTING_ERRORS, Batch
from client.batch_estimate import Pace
from client.batch_plan import BatchPlan
from client.batch_rows import Row, Rows, RowStage
from client.batch_store import BatchStore, LogLine
from client.errors import JobCancelled, JobGone, NadirError
from client.events import JobEvent
from client.imagery import SceneReader
from client.items import BatchItem, ItemResult
from client.jobs import JobClient
from client.journal import Entry, Journal
from client.payload import chat_request
from client.stage_watch import StageWatch

BROKE = "The app met a fault of its own over this job. Send it again; if that fails too, report it."


class BatchRun:
    """One batch with its rows. Sending jobs again while others are under way runs beside them."""

    def __init__(self, store: BatchStore, plan: BatchPlan, client: JobClient, reader: SceneReader) -> None:
        self.store = store
        self.plan = plan
        log = store.load_log()
        self.rows = Rows.of(plan.jobs, log)
        self.is_begun = any(line.kind == "begun" for line in log)
        self.is_paused = [line.kind for line in log if line.kind in ("paused", "resumed")][-1:] == ["paused"]
        self.pace = Pace()
        self._client = client
        self._stages = StageWatch(client, self.rows)
        self._reader = reader
        self._journal: _WatchedJournal | None = None
        self._batches: dict[Batch, asyncio.Task[None]] = {}
        self._cancelling: set[asyncio.Task[None]] = set()

    @property
    def is_over(self) -> bool:
        """Whether every job has ended."""
        return all(row.stage.is_final for row in self.rows)

    @property
    def hindrance(self) -> str:
        """Why nothing is sent at present although nobody paused the batch; empty while it goes on."""
        reasons = [reason for batch in self._batches if (reason := batch.progress.paused) and not self.is_paused]
        return reasons[0] if reasons else ""

    def look(self) -> None:
        """Somebody looks at the rows: the stages of jobs under way are asked for more often."""
        if self._batches:
            self._stages.look()

    def begin(self) -> None:
        """Sends the jobs, as many at once as the service can use. Harmless when they are being sent."""
        if not self.is_begun:
            self.is_begun = True
            self._note("begun")
        self.go_on()

    def go_on(self) -> None:
        """Takes up what an earlier process left. Jobs that were to be cancelled then are cancelled now."""
        if not self.is_begun or self._batches:
            return
        self._end_cancelled(row for row in self.rows if row.cancel_wished and not row.stage.is_final)
        self._send([row for row in self.rows if not row.stage.is_final])

    def pause(self) -> None:
        """Sends no more; jobs under way go on. Lasts over a restart."""
        if not self.is_paused:
            self.is_paused = True
            self._note("paused")
            for batch in self._batches:
                batch.pause()

    def resume(self) -> None:
        """Sends again."""
        if self.is_paused:
            self.is_paused = False
            self._note("resumed")
            self.pace.forget()
            for batch in self._batches:
                batch.resume()

    async def cancel(self, jobs: Iterable[str] | None = None) -> None:
        """Cancels some jobs, or all that have not ended."""
        wanted = {row.job.id for row in self.rows} if jobs is None else set(jobs)
        rows = [row for row in self.rows if row.job.id in wanted and not row.stage.is_final]
        if not rows:
            return
        self._note("cancel", rows)
        for row in rows:
            row.cancel_wished = True
        if jobs is None:
            await asyncio.gather(*(batch.cancel() for batch in list(self._batches)))
            return
        await asyncio.gather(*(batch.cancel(row.item_id) for batch in list(self._batches) for row in rows))

    def retry(self, jobs: Iterable[str] | None = None) -> int:
        """Sends jobs that ended without an answer again, or all that failed. Returns how many.

        One whose submission may still be alive at the service is looked for under its old idempotency key.
        """
        rows = [self.rows[job] for job in jobs if job in self.rows] if jobs is not None else list(self.rows)
        wanted = (RowStage.FAILED,) if jobs is None else (RowStage.FAILED, RowStage.CANCELLED)
        rows = [row for row in rows if row.stage in wanted]
        if rows:
            attempts = [row.attempt + row.lasting for row in rows]
            self._note("again", rows, attempts)
            for row, attempt in zip(rows, attempts, strict=True):
                self.rows.again(row, attempt)
            self._send(rows)
        return len(rows)

    async def close(self) -> None:
        """Stops watching. The jobs go on at the service, and a later process takes them up."""
        await self._stages.close()
        tasks = [*self._batches.values(), *self._cancelling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close_journal()
        self.store.close()

    def _send(self, rows: list[Row]) -> None:
        if not rows:
            return
        if self._journal is None:
            self._journal = _WatchedJournal(self.store, self.plan.settings.service, self._noted)
        for row in rows:
            trace = self._journal.trace(row.item_id)
            if trace.call_id and not trace.is_over:
                self.rows.submitted(row, trace.call_id)
        items = [self._item(row) for row in rows]
        batch = Batch(self._client, items, journal=self._journal, on_event=self._heard)
        if self.is_paused:
            batch.pause()
        self._batches[batch] = asyncio.create_task(self._follow(batch, rows))

    async def _follow(self, batch: Batch, rows: list[Row]) -> None:
        try:
            async for result in batch.results():
                self._ended(result)
        except Exception:
            for row in rows:
                if not row.stage.is_final:
                    self._end(row, stage=Stage.FAILED, error=BROKE)
            raise
        finally:
            del self._batches[batch]
            if not self._batches:
                self._close_journal()

    def _item(self, row: Row) -> BatchItem:
        return BatchItem(row.item_id, partial(self._load, row), label=self.plan.label(row.job), prompt=row.job.prompt)

    async def _load(self, row: Row) -> ChatRequest:
        if not row.stage.is_under_way:
            self.rows.begin(row, time.time())
        settings, planned = self.plan.settings, self.plan.scenes[row.job.scene]
        picture = await self._reader.picture(
            planned.scene, settings.detail, window=row.job.window, enlarge=settings.enlarge
        )
        return chat_request(
            settings.spec,
            row.job.prompt,
            picture,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        )

    def _noted(self, entry: Entry) -> None:
        if entry.call_id:
            self.rows.submitted(self.rows.by_item(entry.item), entry.call_id)

    def _heard(self, item: BatchItem, event: JobEvent) -> None:
        self.rows.observe(self.rows.by_item(item.id), event)

    def _ended(self, result: ItemResult) -> None:
        error, stage = result.error, Stage.DONE
        if error:
            stage = Stage.CANCELLED if isinstance(error, JobCancelled) else Stage.FAILED
        row = self.rows.by_item(result.item.id)
        if stage is Stage.DONE and result.took_s is not None:
            self.pace.note()
        self._end(
            row,
            stage=stage,
            call_id=result.call_id,
            completion=result.completion,
            error=str(error) if error else None,
            lasting=isinstance(error, (*LASTING_ERRORS, JobGone)),
            took_s=result.took_s,
        )

    def _end(self, row: Row, **how: object) -> None:
        line = LogLine.model_validate({"at": time.time(), "kind": "ended", "jobs": [row.job.id], **how})
        self.store.note(line)
        self.rows.end(row, line)

    def _end_cancelled(self, rows: Iterable[Row]) -> None:
        with contextlib.closing(Journal(self.store.journal_path, self.plan.settings.service)) as journal:
            for row in rows:
                call_id = journal.trace(row.item_id).call_id
                if call_id:
                    self._in_background(self._cancel_call(call_id))
                self._end(row, stage=Stage.CANCELLED, call_id=call_id, error=CALLED_OFF, lasting=True)

    async def _cancel_call(self, call_id: str) -> None:
        with contextlib.suppress(NadirError):
            await self._client.cancel(call_id)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    def _note(self, kind: str, rows: Iterable[Row] = (), attempts: Iterable[int] = ()) -> None:
        line = {"at": time.time(), "kind": kind, "jobs": [row.job.id for row in rows], "attempts": list(attempts)}
        self.store.note(LogLine.model_validate(line))
        self.rows.version += 1

    def _close_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None


class _WatchedJournal(Journal):
    """A journal that also tells what is written into it."""

    def __init__(self, store: BatchStore, service: str, on_entry: Callable[[Entry], None]) -> None:
        super().__init__(store.journal_path, service)
        self._on_entry = on_entry

    def write(self, entry: Entry) -> None:
        super().write(entry)
        self._on_entry(entry)
