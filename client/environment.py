"""The environment variables that a caller of the services needs. The app's own, of the same names, are more."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from backend.services import CAPTIONING, VQA
from client.errors import InputError
from client.jobs import DEFAULT_TIMEOUT_S
from client.wire import Credentials

PREFIXES = {CAPTIONING.key: "CAPTION", VQA.key: "VQA"}
"""How the variables of each service begin, by service key."""

APP_PORT = "7860"


@dataclass(frozen=True)
class Environment:
    """Where the services are, and how to call them."""

    urls: dict[str, str]
    """Address of each service, by service key: a deployed one where it is set, else the app's on this machine."""
    timeouts_s: dict[str, float]
    """Longest wait for a job of each service, in seconds, by service key."""
    credentials: Credentials | None = None


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """Returns what the environment says.

    Raises:
        InputError: a variable is not acceptable.
    """
    app = f"http://127.0.0.1:{variables.get('PORT') or APP_PORT}"
    key, secret = variables.get("MODAL_KEY"), variables.get("MODAL_SECRET")
    return Environment(
        urls={
            service: (variables.get(f"{prefix}_BASE_URL") or f"{app}/{service}").rstrip("/")
            for service, prefix in PREFIXES.items()
        },
        timeouts_s={service: _seconds(variables, f"{prefix}_TIMEOUT") for service, prefix in PREFIXES.items()},
        credentials=Credentials(key, secret) if key and secret else None,
    )


def _seconds(variables: Mapping[str, str], name: str) -> float:
    text = variables.get(name) or str(DEFAULT_TIMEOUT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{name} is {text!r}. Set it to a number of seconds.")
    return seconds
