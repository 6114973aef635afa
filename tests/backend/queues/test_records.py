"""Of two runs of one job, only the one that began last counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from backend.contract import Stage
from backend.queues import JobStatus
from backend.queues.database import create_tables
from backend.queues.records import (
    Outcome,
    add_job,
    begin_run,
    cancel_job,
    end_run,
    find_current_runs,
    read_statuses,
    release_runs,
    write_progress,
)

FAILED = Outcome(Stage.FAILED, error="It broke.")


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    database = sa.create_engine("sqlite://")
    create_tables(database)
    with database.begin() as connection:
        add_job(connection, call_id="fc-1", service="vqa", request="{}", now=10.0)
        yield connection
    database.dispose()


def test_a_run_that_was_overtaken_can_neither_report_nor_end_the_job(connection: sa.Connection) -> None:
    begin_run(connection, "fc-1", "early")
    begin_run(connection, "fc-1", "late")
    write_progress(connection, "early", Stage.STARTING, "stale")
    end_run(connection, "early", FAILED, now=20.0)
    assert (_status(connection).stage, _status(connection).partial) == (Stage.RUNNING, "")
    assert find_current_runs(connection, {"early", "late"}) == {"late"}
    end_run(connection, "late", FAILED, now=20.0)
    assert _status(connection).stage is Stage.FAILED


def test_a_cancelled_job_cannot_be_begun_or_ended(connection: sa.Connection) -> None:
    begin_run(connection, "fc-1", "run")
    cancel_job(connection, "vqa", "fc-1", now=12.0)
    end_run(connection, "run", FAILED, now=20.0)
    assert begin_run(connection, "fc-1", "again") is None
    assert (_status(connection).stage, _status(connection).elapsed_s) == (Stage.CANCELLED, 2.0)


def test_an_ended_job_is_not_run_again(connection: sa.Connection) -> None:
    begin_run(connection, "fc-1", "run")
    end_run(connection, "run", FAILED, now=20.0)
    assert begin_run(connection, "fc-1", "again") is None


def test_a_run_that_a_shutdown_stopped_does_not_count_as_an_attempt(connection: sa.Connection) -> None:
    begin_run(connection, "fc-1", "run")
    release_runs(connection, ["run"])
    begun = begin_run(connection, "fc-1", "again")
    assert begun is not None
    assert begun.attempts == 1


def _status(connection: sa.Connection) -> JobStatus:
    return read_statuses(connection, "vqa", ["fc-1"], now=30.0)["fc-1"]
