"""Telling the living processes from the dead."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from backend.queues.database import create_tables
from backend.queues.workers import SILENCE_S, Worker, workers


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    database = sa.create_engine("sqlite://")
    create_tables(database)
    with database.begin() as connection:
        yield connection
    database.dispose()


class Clock:
    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s


def test_a_worker_counts_itself_among_the_living(connection: sa.Connection) -> None:
    worker = Worker()
    worker.beat(connection)
    assert worker.find_alive(connection) == {worker.worker_id}


def test_a_process_of_this_machine_is_alive_while_it_runs(connection: sa.Connection) -> None:
    worker = Worker()
    _register(connection, worker, "parent", pid=os.getppid())
    assert "parent" in worker.find_alive(connection)


def test_a_process_of_this_machine_is_dead_as_soon_as_it_is_gone(connection: sa.Connection) -> None:
    worker = Worker()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    _register(connection, worker, "gone", pid=child.pid)
    assert "gone" not in worker.find_alive(connection)


def test_an_earlier_process_with_this_one_s_number_is_dead(connection: sa.Connection) -> None:
    worker = Worker()
    _register(connection, worker, "before", pid=os.getpid())
    assert "before" not in worker.find_alive(connection)


def test_another_machine_is_dead_when_it_has_been_silent_too_long(connection: sa.Connection) -> None:
    clock = Clock()
    worker = Worker(clock)
    connection.execute(sa.insert(workers).values(worker_id="far", host="elsewhere", pid=1, beats=0))
    assert "far" in worker.find_alive(connection)
    clock.time_s += SILENCE_S - 1
    connection.execute(sa.update(workers).where(workers.c.worker_id == "far").values(beats=1))
    assert "far" in worker.find_alive(connection)
    clock.time_s += SILENCE_S - 1
    assert "far" in worker.find_alive(connection)
    clock.time_s += 2
    assert "far" not in worker.find_alive(connection)


def test_a_worker_that_was_wrongly_taken_for_dead_shows_up_again(connection: sa.Connection) -> None:
    worker, other = Worker(), Worker()
    worker.beat(connection)
    connection.execute(sa.delete(workers))
    worker.beat(connection)
    connection.execute(sa.update(workers).values(host="elsewhere"))
    assert worker.worker_id in other.find_alive(connection)


def test_a_worker_that_left_is_gone_at_once(connection: sa.Connection) -> None:
    worker, other = Worker(), Worker()
    worker.beat(connection)
    worker.leave(connection)
    assert other.find_alive(connection) == {other.worker_id}


def _register(connection: sa.Connection, like: Worker, worker_id: str, *, pid: int) -> None:
    like.beat(connection)
    host = connection.execute(sa.select(workers.c.host)).scalar_one()
    connection.execute(sa.insert(workers).values(worker_id=worker_id, host=host, pid=pid, beats=0))
