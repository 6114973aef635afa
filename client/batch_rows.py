"""A batch's jobs as a person sees them: one row each, numbered so that a reader can ask for what changed since."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from backend.contract import Completion, Stage
from client.batch_plan import PlannedJob
from client.batch_store import LogLine
from client.events import JobEvent


class RowStage(StrEnum):
    """What a row's job is doing: a job's stages, and the two before there is a job."""

    WAITING = "waiting"
    """Not sent yet."""
    SUBMITTING = "submitting"
    """The picture is being prepared and sent."""
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless somebody asks for it."""
        return self in (RowStage.DONE, RowStage.FAILED, RowStage.CANCELLED)

    @property
    def is_under_way(self) -> bool:
        """Whether the job was begun and has not ended."""
        return self is not RowStage.WAITING and not self.is_final


_ENDS = {Stage.DONE: RowStage.DONE, Stage.CANCELLED: RowStage.CANCELLED}


@dataclass
class Row:
    """One job."""

    number: int
    """Place in the plan, from 0."""
    job: PlannedJob
    stage: RowStage = RowStage.WAITING
    attempt: int = 1
    began_at: float | None = None
    """Unix time in seconds."""
    ended_at: float | None = None
    took_s: float | None = None
    call_id: str | None = None
    completion: Completion | None = None
    error: str = ""
    lasting: bool = False
    """Whether the error would come again under the same idempotency key."""
    cancel_wished: bool = False
    version: int = 0

    @property
    def item_id(self) -> str:
        """Its id within the journal: a new attempt is another item there."""
        return self.job.id if self.attempt == 1 else f"{self.job.id}~{self.attempt}"

    @property
    def answer(self) -> str:
        """The text; empty where there is none."""
        return self.completion.text.strip() if self.completion else ""


@dataclass
class Rows:
    """All rows of a batch, and the version of the last change."""

    rows: list[Row]
    version: int
    """Begins at the clock's milliseconds, so that a version that an earlier process told is never a later one here."""
    _by_id: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, jobs: Iterable[PlannedJob], log: Iterable[LogLine]) -> Rows:
        """Returns the rows as an earlier process left them."""
        version = time.time_ns() // 1_000_000
        rows = [Row(number, job, version=version) for number, job in enumerate(jobs)]
        table = cls(rows, version, _by_id={row.job.id: row for row in rows})
        for line in log:
            table._recall(line)
        return table

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, job_id: str) -> Row:
        return self._by_id[job_id]

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._by_id

    def by_item(self, item_id: str) -> Row:
        """Returns the row of an item of the journal."""
        return self._by_id[item_id.partition("~")[0]]

    def changed_since(self, version: int) -> list[Row]:
        """Returns the rows that changed after `version`; 0 returns all."""
        return [row for row in self.rows if row.version > version]

    def counts(self) -> Counter[RowStage]:
        """Returns how many rows are in each stage."""
        return Counter(row.stage for row in self.rows)

    def begin(self, row: Row, now: float) -> None:
        """Notes that a job is being prepared."""
        row.began_at = now
        self._move(row, RowStage.SUBMITTING)

    def submitted(self, row: Row, call_id: str) -> None:
        """Notes that the service took a job."""
        row.call_id = call_id
        self._move(row, RowStage.QUEUED)

    def observe(self, row: Row, event: JobEvent) -> None:
        """Takes in what the service said of a job that goes on."""
        stage = event.stage
        if stage and not stage.is_final and not row.stage.is_final and row.stage != stage.value:
            row.call_id = event.call_id
            self._move(row, RowStage(stage.value))

    def end(self, row: Row, line: LogLine) -> None:
        """Notes how a job ended."""
        row.ended_at, row.took_s, row.call_id = line.at, line.took_s, line.call_id or row.call_id
        row.completion, row.error, row.lasting = line.completion, line.error or "", line.lasting
        self._move(row, _ENDS.get(line.stage or Stage.FAILED, RowStage.FAILED))

    def again(self, row: Row, attempt: int) -> None:
        """Puts a job that ended back among those that wait."""
        row.attempt, row.cancel_wished, row.error = attempt, False, ""
        row.began_at = row.ended_at = row.took_s = row.completion = row.call_id = None
        self._move(row, RowStage.WAITING)

    def _move(self, row: Row, stage: RowStage) -> None:
        self.version += 1
        row.stage, row.version = stage, self.version

    def _recall(self, line: LogLine) -> None:
        rows = [self._by_id[job] for job in line.jobs if job in self._by_id]
        for place, row in enumerate(rows):
            if line.kind == "ended":
                self.end(row, line)
            elif line.kind == "cancel":
                row.cancel_wished = True
            elif line.kind == "again":
                self.again(row, line.attempts[place])
