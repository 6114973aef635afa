"""A client for each service."""

from __future__ import annotations

from collections.abc import Mapping

from backend.services import SERVICES
from client.jobs import JobClient
from client.wire import Credentials


def connect(
    urls: Mapping[str, str], *, timeouts_s: Mapping[str, float], key: str | None = None, secret: str | None = None
) -> dict[str, JobClient]:
    """Returns a client for each service, by service key.

    Args:
        urls: address of each service.
        timeouts_s: longest wait for a job of each service, in seconds.
        key, secret: Modal proxy token; sent only when both are given.
    """
    credentials = Credentials(key, secret) if key and secret else None
    return {
        name: JobClient(service, urls[name], timeout_s=timeouts_s[name], credentials=credentials)
        for name, service in SERVICES.items()
    }
