"""What is known of one service: where it is, what answers, whether a GPU is warm, what is wrong and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from markupsafe import Markup

from backend.contract import Health
from backend.services import ServiceSpec
from client.errors import NadirError
from client.jobs import JobClient
from client.logbook import Logbook, Phase
from client.troubleshooting import diagnose
from ui.components.latencies import render_latencies
from ui.components.services import engine_name
from ui.fragments import format_seconds, render


@dataclass(frozen=True)
class Line:
    """A word with its icon and tone, and what there is to say about it."""

    word: str
    icon: str
    tone: str
    """`good`, `warn`, `bad` or `quiet`."""
    note: str = ""


def render_service(client: JobClient, health: Health | None, error: NadirError | None, *, warm_target: str) -> str:
    """Renders a service's card.

    Args:
        health: what it has just said of itself.
        error: why it did not, where it did not.
        warm_target: element id of the button that warms it up.
    """
    engine = (health or client.logbook.health or Health(model="")).engine or ""
    return render(
        "service_card.html",
        title=client.service.title,
        address=public_address(client.base_url),
        engine=engine_name(engine) if health else "Not known",
        model=health.model if health else client.service.model,
        expected=client.service.model if health and health.model != client.service.model else "",
        health=health_line(health, error),
        gpu=gpu_line(client.service, client.logbook, engine),
        jobs=jobs_line(client.logbook),
        latencies=Markup(render_latencies(client.logbook.ended)),
        troubles=diagnose(client.service, client.logbook, error, health),
        warm_target="" if engine == "preview" else warm_target,
    )


def public_address(url: str) -> str:
    """Returns an address without what may be a secret: user name, password, query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def health_line(health: Health | None, error: NadirError | None) -> Line:
    """Returns whether the service is up."""
    if error is not None:
        return Line("Not reached", "circle-x", "bad")
    if health is None:
        return Line("Looking", "loader", "quiet")
    if health.status != "ok":
        return Line("Not well", "triangle-alert", "warn", health.detail or "")
    return Line("Up", "circle-check", "good", "Asking for its health wakes no GPU.")


def gpu_line(service: ServiceSpec, logbook: Logbook, engine: str) -> Line:
    """Returns whether a GPU is warm, as far as jobs have shown it."""
    if engine == "preview":
        return Line("Needs none", "cpu", "quiet", "The preview engine measures pixels on the CPU.")
    now, jobs = logbook.now(), logbook.in_flight()
    if any(job.phase is Phase.RUN for job in jobs):
        return Line("Warm", "zap", "good", "It is answering a job." + _since(logbook, now))
    if starting := [job for job in jobs if job.phase is Phase.START]:
        return Line("Starting", "power", "warn", f"Since {format_seconds(now - starting[0].phase_since)}.")
    if logbook.answered_at is None:
        seen = format_seconds(now - logbook.opened_at)
        return Line("Not known", "info", "quiet", f"No job was answered since Nadir was started, {seen} ago.")
    idle_s = now - logbook.answered_at
    last = f"It last answered {format_seconds(idle_s)} ago."
    if engine == "openai":
        return Line("Not told", "info", "quiet", f"{last} Your own server decides how long its model stays loaded.")
    if idle_s > service.scaledown_s:
        return Line("Probably off", "power", "quiet", f"{last} An idle GPU is switched off after {_minutes(service)}.")
    return Line("Warm", "zap", "good", f"{last} It stays on for {_minutes(service)}.{_since(logbook, now)}")


def jobs_line(logbook: Logbook) -> Line:
    """Returns how many jobs are in flight, and what they are doing."""
    jobs = logbook.in_flight()
    if not jobs:
        return Line("None", "list-ordered", "quiet")
    running = sum(job.phase is Phase.RUN for job in jobs)
    oldest = format_seconds(logbook.now() - jobs[0].began_at)
    count = "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"
    return Line(count, "list-ordered", "good", f"{running} running. The oldest was sent {oldest} ago.")


def _since(logbook: Logbook, now: float) -> str:
    if logbook.warm_since is None or logbook.answered_at is None:
        return ""
    return f" Warm for at least {format_seconds(now - logbook.warm_since)}."


def _minutes(service: ServiceSpec) -> str:
    return f"about {service.scaledown_s // 60} min"
