"""Where the embedded queue keeps its jobs: a SQLite file by default, a Postgres server where one is given."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert

from backend.queues import QueueUnavailable

logger = logging.getLogger(__name__)

DATABASE_FILE = "jobs.sqlite"
"""Name of the SQLite file within the data directory."""

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite write waits for another one, in milliseconds."""

CONNECT_TIMEOUT_S = 10
"""How long to wait for a Postgres server to answer, in seconds."""

SUBSECOND_SQLITE = (3, 42)
"""First SQLite with `unixepoch('subsec')`, which DBOS relies on from Python 3.12 on. Debian 12 has an older one."""

THREADS = 8
"""Calls that may wait for the database at once; the event loop never does."""

T = TypeVar("T")

metadata = sa.MetaData()
"""The queue's own tables. Those of DBOS live beside them."""


class JobDatabase:
    """The queue's database, for use from an event loop: whatever waits for it does so in a thread."""

    def __init__(self, data_dir: Path, database_url: str | None) -> None:
        self._data_dir = data_dir
        self._database_url = database_url
        self._engine: sa.Engine | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._is_reachable = True

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._engine is not None

    @property
    def engine(self) -> sa.Engine:
        """The pool of connections.

        Raises:
            QueueUnavailable: the database is not open.
        """
        if self._engine is None:
            raise QueueUnavailable("The job queue is closed. Try again in a moment.")
        return self._engine

    def open(self) -> None:
        """Makes the pool of connections and of threads. Nothing is connected yet."""
        self._engine = open_database(self._data_dir, self._database_url)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="nadir-queue")

    def close(self) -> None:
        """Lets go of both. Closing twice is harmless."""
        if self._engine is not None:
            self._engine.dispose()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        self._engine = self._threads = None

    async def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Runs `work` in one transaction and returns its result.

        Raises:
            QueueUnavailable: the database is not open, or cannot be reached.
        """
        result: T = await self.in_thread(self._transact, work)
        self._note_reachable(True)
        return result

    async def in_thread(self, work: Callable[..., T], *args: object) -> T:
        """Runs `work(*args)`, which may wait for the database, and returns its result.

        Raises:
            QueueUnavailable: the database is not open, or cannot be reached.
        """
        if self._threads is None:
            raise QueueUnavailable("The job queue is closed. Try again in a moment.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            self._note_reachable(False, str(error))
            raise QueueUnavailable("The job queue's database cannot be reached. Try again in a moment.") from error

    def _note_reachable(self, is_reachable: bool, why_not: str = "") -> None:
        # Said once, not at each of the attempts that follow each other within a second.
        if self._is_reachable and not is_reachable:
            logger.warning("The job queue's database cannot be reached: %s", why_not)
        elif is_reachable and not self._is_reachable:
            logger.warning("The job queue's database can be reached again")
        self._is_reachable = is_reachable

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)


def open_database(data_dir: Path, database_url: str | None) -> sa.Engine:
    """Returns the pool of connections to the queue's database; makes the data directory where that is needed."""
    if database_url is None:
        data_dir.mkdir(parents=True, exist_ok=True)
        return _open_sqlite(data_dir / DATABASE_FILE)
    url = sa.make_url(database_url.replace("postgres://", "postgresql://", 1))
    if url.get_backend_name() != "postgresql":
        raise ValueError("DATABASE_URL must be a Postgres URL: postgresql://user:password@host:5432/database")
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=20,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
    )


def create_tables(database: sa.Engine) -> None:
    """Makes the queue's own tables, unless they are there."""
    try:
        metadata.create_all(database)
    except (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.OperationalError):
        # Another process made them at the same moment; what is still missing is made now.
        metadata.create_all(database)


def insert_if_new(connection: sa.Connection, table: sa.Table) -> PostgresInsert | SQLiteInsert:
    """Returns an INSERT that leaves a row with the same key alone."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _unix_time(_modifier: str) -> float:
    return round(time.time(), 3)


def _open_sqlite(path: Path) -> sa.Engine:
    database = sa.create_engine(f"sqlite:///{path}", pool_size=20)

    @sa.event.listens_for(database, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # Writers queue up at their first statement, rather than failing when they upgrade from a read.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        # Readers and the writer do not wait for each other; a killed process loses nothing.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if sqlite3.sqlite_version_info < SUBSECOND_SQLITE:
            connection.create_function("unixepoch", 1, _unix_time)

    return database
