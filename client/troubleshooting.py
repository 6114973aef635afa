"""What may be wrong with a service, why, and what to do: the service document's part on troubleshooting, as data."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract import RETENTION_DAYS, Health
from backend.services import ServiceSpec
from client.errors import AccessError, NadirError, ProtocolError, ServiceBusy
from client.events import Expired, Failed
from client.logbook import Logbook, Phase

OWN_ENGINES = ("preview", "openai")
"""Engines that this app runs itself, by the names that health gives."""


@dataclass(frozen=True)
class Remedy:
    """One thing to do."""

    text: str
    command: str = ""
    """The line to type, with `{app}` and `{volume}` to be filled in."""


@dataclass(frozen=True)
class Advice:
    """One trouble, its cause, and what to do."""

    title: str
    cause: str
    """The likely one, as it goes on after a colon."""
    remedies: tuple[Remedy, ...]
    said: str = ""
    """What the service or the road to it said, where it said something."""


LOGS = Remedy("Read the service's log for a stack trace.", "modal app logs {app}")
DEPLOYED = Remedy("Check that the service is deployed, and deploy it where it is not.", "modal app list")
WEIGHTS = Remedy("Check that the volume with the weights is there.", "modal volume ls {volume}")

ADVICE = {
    "unreachable": Advice(
        "The service does not answer",
        "it is not deployed, it is just being deployed, or its address is another one.",
        (DEPLOYED, LOGS, Remedy("Compare the address above with the one that the deployment printed.")),
    ),
    "access": Advice(
        "The service wants credentials",
        "the deployment is protected by a proxy token, and this app sends none, or one that was withdrawn.",
        (Remedy("Set both to a token that the workspace accepts, and start Nadir again.", "MODAL_KEY, MODAL_SECRET"),),
    ),
    "protocol": Advice(
        "Something else answers at this address",
        "the address belongs to another app, or has a path too many.",
        (
            Remedy("Set the deployed address, without a path.", "CAPTION_BASE_URL, VQA_BASE_URL"),
            DEPLOYED,
        ),
    ),
    "busy": Advice(
        "The service takes no more jobs at present",
        "its queue is full, as in the middle of a large batch.",
        (Remedy("Wait until jobs have ended. What is refused now is tried again by itself."),),
    ),
    "unwell": Advice(
        "The service says that something is wrong",
        "its weights are missing, or its model did not load.",
        (LOGS, WEIGHTS),
    ),
    "pending": Advice(
        "A job is stuck in pending",
        "no GPU is free, or the container does not come up. A cold start takes 10 to 30 s.",
        (
            Remedy("Check the state of the containers on Modal's dashboard, and whether an A100 40GB is to be had."),
            LOGS,
            Remedy("Wait longer before giving up; a job may take up to 10 minutes.", "CAPTION_TIMEOUT, VQA_TIMEOUT"),
        ),
    ),
    "failed": Advice(
        "The last job failed",
        "the model or its container broke; usually the weights are not where they should be, or memory ran out.",
        (LOGS, WEIGHTS, Remedy("Deploy the service again.", "modal deploy backend/{module}.py")),
    ),
    "failed-own": Advice(
        "The last job failed",
        "the server behind this app could not answer it.",
        (Remedy("Check that the server is up and serves the model.", "UPSTREAM_BASE_URL"),),
    ),
    "expired": Advice(
        "The last job is no longer known",
        f"results are kept for {RETENTION_DAYS} days, and a service does not know the call ids of another one.",
        (Remedy("Send the job again if its answer is still needed."),),
    ),
}


def diagnose(service: ServiceSpec, logbook: Logbook, error: NadirError | None, health: Health | None) -> list[Advice]:
    """Returns what is likely wrong, the gravest first; nothing when all is well.

    Args:
        logbook: what was seen of the service.
        error: why it did not answer the last question for its health.
        health: what it said of itself, where it did.
    """
    kinds: list[tuple[str, str]] = []
    if error is not None:
        kinds.append((_road_trouble(error), str(error)))
    elif health is not None and health.status != "ok":
        kinds.append(("unwell", health.detail or f"Its status is {health.status}."))
    if stuck := _stuck_for(service, logbook):
        kinds.append(("pending", f"It has waited for {stuck:.0f} s."))
    kinds += _last_trouble(logbook, health)
    return [_filled_in(ADVICE[kind], service, said) for kind, said in kinds]


def _road_trouble(error: NadirError) -> str:
    if isinstance(error, AccessError):
        return "access"
    if isinstance(error, ProtocolError):
        return "protocol"
    return "busy" if isinstance(error, ServiceBusy) else "unreachable"


def _stuck_for(service: ServiceSpec, logbook: Logbook) -> float | None:
    """Returns how long the oldest job waits, in seconds, where that is too long; None where all is as it should be."""
    patience_s = 2 * service.cold_start_s[1]
    jobs = logbook.in_flight()
    if not jobs or any(job.phase is Phase.RUN for job in jobs):
        return None
    waited_s = logbook.now() - jobs[0].began_at
    return waited_s if waited_s > patience_s else None


def _last_trouble(logbook: Logbook, health: Health | None) -> list[tuple[str, str]]:
    match logbook.last_end:
        case Failed(message=message):
            is_own = health is not None and health.engine in OWN_ENGINES
            return [("failed-own" if is_own else "failed", message)]
        case Expired(message=message):
            return [("expired", message)]
    return []


def _filled_in(advice: Advice, service: ServiceSpec, said: str) -> Advice:
    names = {"{app}": service.app_name, "{volume}": service.volume, "{module}": service.key}
    remedies = tuple(Remedy(remedy.text, _replaced(remedy.command, names)) for remedy in advice.remedies)
    return Advice(advice.title, advice.cause, remedies, said)


def _replaced(command: str, names: dict[str, str]) -> str:
    for mark, name in names.items():
        command = command.replace(mark, name)
    return command
