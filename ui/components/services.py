"""Which engine answers, and what is wrong with the services: the badge in the top bar and the banner under it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from client.errors import AccessError, NadirError, ProtocolError
from client.jobs import JobClient
from ui.fragments import render


@dataclass(frozen=True)
class ServiceCheck:
    """What a look at one service found."""

    title: str
    host: str
    engine: str = ""
    """Empty where the service does not say, or does not answer."""
    error: NadirError | None = None
    detail: str = ""


@dataclass(frozen=True)
class NoticeStep:
    """One thing to do, with the line to type."""

    code: str
    text: str


@dataclass(frozen=True)
class Notice:
    """One line of the banner."""

    tone: str
    """`info`, `warn` or `bad`."""
    text: str
    steps_title: str = ""
    steps: tuple[NoticeStep, ...] = ()
    target: str = ""
    """Element id of the button that checks again."""


ENGINE_NAMES = {"preview": "Preview engine", "openai": "Own server", "vllm": "Modal", "modal": "Modal"}
CONNECT_STEPS = (
    NoticeStep("CAPTION_BASE_URL, VQA_BASE_URL", "the addresses of the two deployed services"),
    NoticeStep("UPSTREAM_BASE_URL", "or the address of any OpenAI-compatible server: vLLM, llama.cpp, Ollama"),
    NoticeStep("", "Set them in the environment and start Nadir again; the README has the details."),
)
PREVIEW_NOTICE = Notice(
    tone="info",
    text="The preview engine answers. It measures the picture's pixels and runs no model: it knows land cover, colour "
    "and texture, not objects.",
    steps_title="Connect the vision-language models",
    steps=CONNECT_STEPS,
)


async def check_services(clients: Sequence[JobClient]) -> list[ServiceCheck]:
    """Asks every service for its health, all at once. Wakes no GPU and raises nothing."""
    return list(await asyncio.gather(*(_check(client) for client in clients)))


async def _check(client: JobClient) -> ServiceCheck:
    title, host = client.service.title, urlsplit(client.base_url).netloc
    try:
        health = await client.health()
    except NadirError as error:
        return ServiceCheck(title, host, error=error)
    return ServiceCheck(title, host, health.engine or "", detail=health.detail or "" if health.status != "ok" else "")


def render_top_bar(checks: Sequence[ServiceCheck]) -> str:
    """Renders the top bar; without checks the badge says that it is looking."""
    badge, icon_name, tone = _badge(checks)
    hosts = ", ".join(f"{check.title}: {check.host}" for check in checks)
    return render("top_bar.html", badge=badge, badge_icon=icon_name, tone=tone, badge_title=hosts)


def render_banner(checks: Sequence[ServiceCheck], *, check_target: str) -> str:
    """Renders what the user should know of the services before starting; empty when all is well."""
    notices = [_trouble(check, check_target) for check in checks if check.error or check.detail]
    if any(check.engine == "preview" for check in checks):
        notices.append(PREVIEW_NOTICE)
    return render("banner.html", notices=notices)


def engine_name(engine: str) -> str:
    """Returns an engine's name for people."""
    return ENGINE_NAMES.get(engine, engine or "Remote service")


def _badge(checks: Sequence[ServiceCheck]) -> tuple[str, str, str]:
    if not checks:
        return "Checking services", "loader", "quiet"
    failed = [check for check in checks if check.error]
    if len(failed) == len(checks):
        return "Services not reached", "circle-x", "bad"
    names = dict.fromkeys(engine_name(check.engine) for check in checks if not check.error)
    if failed:
        return f"{' and '.join(names)}, one service not reached", "triangle-alert", "warn"
    return " and ".join(names), "cpu", "quiet"


def _trouble(check: ServiceCheck, target: str) -> Notice:
    if check.error is None:
        return Notice("warn", f"{check.title}: {check.detail}", target=target)
    lasting = isinstance(check.error, (AccessError, ProtocolError))
    return Notice("bad" if lasting else "warn", f"{check.title}: {check.error}", target=target)
