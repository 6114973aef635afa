"""A Postgres server for tests: the one of NADIR_TEST_POSTGRES, or a throw-away one from the machine's own programs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

SERVER_URL = "NADIR_TEST_POSTGRES"
"""Environment variable: URL of a server on which databases may be made and dropped."""


class NoPostgres(Exception):
    """No server can be had. `str()` says why."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yields the URL of a server, without a database.

    Raises:
        NoPostgres: none is given, and none can be started here.
    """
    if given := os.environ.get(SERVER_URL):
        yield given
        return
    programs = _find_programs()
    account = _find_account()
    home = Path(tempfile.mkdtemp(prefix="nadir-postgres-"))
    try:
        if account:
            shutil.chown(home, account)
        yield from _serve(programs, home, account)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Yields the URL of an empty database on the server, dropped at the end."""
    url = sa.make_url(server_url).set(drivername="postgresql+psycopg")
    name = f"nadir_test_{uuid.uuid4().hex}"
    server = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        server.dispose()


def _find_programs() -> Path:
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise NoPostgres(f"neither is {SERVER_URL} set nor are Postgres's initdb and pg_ctl installed")


def _find_account() -> str | None:
    # Postgres refuses to run as root.
    if os.geteuid() != 0:
        return None
    for account in ("postgres", "nobody"):
        if _exists(account):
            return account
    raise NoPostgres("the tests run as root, and there is no account to run Postgres as")


def _exists(account: str) -> bool:
    return subprocess.run(["id", account], check=False, capture_output=True).returncode == 0


def _serve(programs: Path, home: Path, account: str | None) -> Iterator[str]:
    data, port = home / "data", _free_port()
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    _run(account, programs / "initdb", "-D", data, "-U", "nadir", "-A", "trust", "-E", "UTF8", "--no-sync")
    _run(account, programs / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start")
    try:
        yield f"postgresql://nadir@127.0.0.1:{port}"
    finally:
        _run(account, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _run(account: str | None, *command: str | Path) -> None:
    done = subprocess.run(
        list(map(str, command)), user=account, cwd="/", check=False, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        raise NoPostgres(f"{command[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
