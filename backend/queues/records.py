"""The row that each job has in the database: everything a caller may ask about it, whichever process asks.

DBOS decides when and where a job runs, and runs it again after a crash. What a job is doing and how it ended is
decided here, by conditional updates: a cancelled job stays cancelled, and of two runs of one job, which a machine
that was wrongly taken for dead can bring about, only the one that began last can end it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backend.contract import PENDING_STAGES, RETENTION_DAYS, Completion, Stage
from backend.queues import JobStatus
from backend.queues.database import insert_if_new, metadata
from backend.queues.images import remove_images
from backend.queues.outcome import Outcome

RETENTION_S = RETENTION_DAYS * 24 * 3600
"""How long a job is kept after its end, in seconds."""

SWEEP_BATCH = 500
"""Jobs removed in one transaction."""

jobs = sa.Table(
    "nadir_jobs",
    metadata,
    sa.Column("call_id", sa.String(80), primary_key=True),
    sa.Column("service", sa.String(32), nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double, index=True),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("partial", sa.Text, nullable=False, default=""),
    sa.Column("completion", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("error_status", sa.Integer, nullable=False, default=500),
    sa.Column("traceback", sa.Text),
    sa.Column("run_id", sa.String(32), index=True),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Index("nadir_jobs_waiting", "service", "stage", "created_at"),
)

_is_pending = jobs.c.stage.in_([stage.value for stage in PENDING_STAGES])
_is_queued = jobs.c.stage == Stage.QUEUED.value


@dataclass(frozen=True)
class Begun:
    """A job that a run has taken."""

    request: str
    """The request as JSON, its images taken out."""
    created_at: float
    """Unix time in seconds."""
    attempts: int
    """Runs begun so far, this one included; a run that a shutdown stopped does not count."""


def add_job(connection: sa.Connection, *, call_id: str, service: str, request: str, now: float) -> bool:
    """Adds a queued job. Returns False where the call id is taken, and then changes nothing."""
    added = connection.execute(
        insert_if_new(connection, jobs)
        .values(call_id=call_id, service=service, stage=Stage.QUEUED.value, created_at=now, request=request)
        .returning(jobs.c.call_id)
    )
    return added.first() is not None


def count_queued(connection: sa.Connection, service: str) -> int:
    """Returns how many jobs of the service wait."""
    query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.service == service, _is_queued)
    return int(connection.execute(query).scalar_one())


def read_statuses(
    connection: sa.Connection, service: str, call_ids: Collection[str], now: float
) -> dict[str, JobStatus]:
    """Returns the status of each of these jobs that the service has and whose retention has not passed."""
    ahead = jobs.alias("ahead")
    before = sa.or_(
        ahead.c.created_at < jobs.c.created_at,
        sa.and_(ahead.c.created_at == jobs.c.created_at, ahead.c.call_id < jobs.c.call_id),
    )
    position = (
        sa.select(sa.func.count())
        .select_from(ahead)
        .where(ahead.c.service == jobs.c.service, ahead.c.stage == Stage.QUEUED.value, before)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            *(column for column in jobs.c if column.name != "request"),
            sa.case((_is_queued, position)).label("position"),
        ).where(
            jobs.c.service == service,
            jobs.c.call_id.in_(list(call_ids)),
            sa.or_(jobs.c.ended_at.is_(None), jobs.c.ended_at >= now - RETENTION_S),
        )
    )
    return {row.call_id: _status(row, now) for row in rows}


def begin_run(connection: sa.Connection, call_id: str, run_id: str) -> Begun | None:
    """Takes the job for this run. Returns None where it has ended, or was cancelled while it waited."""
    begun = connection.execute(
        sa.update(jobs)
        .where(jobs.c.call_id == call_id, _is_pending)
        .values(stage=Stage.RUNNING.value, partial="", run_id=run_id, attempts=jobs.c.attempts + 1)
        .returning(jobs.c.request, jobs.c.created_at, jobs.c.attempts)
    ).one_or_none()
    return Begun(begun.request, begun.created_at, begun.attempts) if begun else None


def write_progress(connection: sa.Connection, run_id: str, stage: Stage, partial: str) -> None:
    """Notes how far a run is, for other processes to see."""
    connection.execute(
        sa.update(jobs).where(jobs.c.run_id == run_id, _is_pending).values(stage=stage.value, partial=partial)
    )


def find_current_runs(connection: sa.Connection, run_ids: Collection[str]) -> set[str]:
    """Returns which of these runs may go on: their job is neither cancelled nor taken by another run."""
    query = sa.select(jobs.c.run_id).where(jobs.c.run_id.in_(list(run_ids)), _is_pending)
    return set(connection.execute(query).scalars())


def end_run(connection: sa.Connection, run_id: str, outcome: Outcome, now: float) -> None:
    """Writes down how the run ended, unless its job has ended or was taken by another run."""
    completion = outcome.completion
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.run_id == run_id, _is_pending)
        .values(
            stage=outcome.stage.value,
            ended_at=now,
            partial="",
            completion=completion.model_dump_json() if completion else None,
            error=outcome.error,
            error_status=outcome.error_status,
            traceback=outcome.traceback,
        )
    )


def release_runs(connection: sa.Connection, run_ids: Collection[str]) -> None:
    """Puts the jobs of runs that a shutdown stopped back where they were before."""
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.run_id.in_(list(run_ids)), _is_pending)
        .values(stage=Stage.QUEUED.value, partial="", run_id=None, attempts=jobs.c.attempts - 1)
    )


def cancel_job(connection: sa.Connection, service: str, call_id: str, now: float) -> None:
    """Cancels the job, unless it has ended."""
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.service == service, jobs.c.call_id == call_id, _is_pending)
        .values(stage=Stage.CANCELLED.value, ended_at=now, partial="")
    )


def find_expired(connection: sa.Connection, now: float) -> list[str]:
    """Returns the call ids of jobs whose retention has passed, at most `SWEEP_BATCH` of them."""
    query = sa.select(jobs.c.call_id).where(jobs.c.ended_at < now - RETENTION_S).limit(SWEEP_BATCH)
    return list(connection.execute(query).scalars())


def remove_jobs(connection: sa.Connection, call_ids: Collection[str], now: float) -> None:
    """Removes these jobs, and the images that no job needs any longer."""
    connection.execute(sa.delete(jobs).where(jobs.c.call_id.in_(list(call_ids))))
    remove_images(connection, call_ids, unused_since=now - RETENTION_S)


def _status(row: Any, now: float) -> JobStatus:
    known: Mapping[str, Any] = row._mapping
    stage = Stage(known["stage"])
    return JobStatus(
        call_id=known["call_id"],
        stage=stage,
        position=known["position"],
        elapsed_s=max(0.0, (known["ended_at"] or now) - known["created_at"]),
        partial=known["partial"],
        completion=Completion.model_validate_json(known["completion"]) if known["completion"] else None,
        error=known["error"],
        error_status=known["error_status"],
        traceback=known["traceback"],
    )
