"""Which processes take jobs from the database, and which of them have died."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from backend.queues.database import insert_if_new, metadata

BEAT_S = 3.0
"""How often a worker shows that it is alive, in seconds."""

SILENCE_S = 15.0
"""A worker that has been silent for so long is taken for dead, in seconds."""

workers = sa.Table(
    "nadir_workers",
    metadata,
    sa.Column("worker_id", sa.String(32), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("beats", sa.Integer, nullable=False),
)


class Worker:
    """This process among those that take jobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.worker_id = uuid.uuid4().hex
        self._host = socket.gethostname()
        self._heard: dict[str, tuple[int, float]] = {}

    def beat(self, connection: sa.Connection) -> None:
        """Shows the others that this process is alive."""
        mine = workers.c.worker_id == self.worker_id
        counted = connection.execute(sa.update(workers).where(mine).values(beats=workers.c.beats + 1))
        if counted.rowcount == 0:
            connection.execute(
                insert_if_new(connection, workers).values(
                    worker_id=self.worker_id, host=self._host, pid=os.getpid(), beats=0
                )
            )

    def leave(self, connection: sa.Connection) -> None:
        """Tells the others at once that this process has stopped."""
        connection.execute(sa.delete(workers).where(workers.c.worker_id == self.worker_id))

    def find_alive(self, connection: sa.Connection) -> set[str]:
        """Returns the ids of the workers that are alive, this one among them, and forgets the dead."""
        alive = {self.worker_id}
        for row in connection.execute(sa.select(workers)).all():
            if row.worker_id == self.worker_id or not self._is_dead(row):
                alive.add(row.worker_id)
        connection.execute(sa.delete(workers).where(workers.c.worker_id.notin_(alive)))
        return alive

    def _is_dead(self, row: Any) -> bool:
        if row.host == self._host and (row.pid == os.getpid() or not _runs(row.pid)):
            return True
        # Counted beats and this process's own clock: the clocks of two machines may differ.
        beats, heard_at = self._heard.get(row.worker_id, (None, 0.0))
        if beats != row.beats:
            self._heard[row.worker_id] = (row.beats, self._clock())
            return False
        return self._clock() - heard_at > SILENCE_S


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
