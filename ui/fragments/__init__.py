"""HTML fragments of the page: Jinja templates that escape whatever is put into them, and the icons."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from ui.theme import ASSETS

_ICONS = ASSETS / "icons"
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable(["image", "link", "autolink"])


@cache
def icon(name: str) -> Markup:
    """Returns a Lucide icon as inline SVG, hidden from screen readers: a word always stands beside it."""
    svg = (_ICONS / f"{name}.svg").read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :].replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    return Markup(svg)


def answer_markup(text: str) -> Markup:
    """Renders a model's answer: Markdown's paragraphs, lists and emphasis; no HTML, links or images of its own."""
    return Markup(_MARKDOWN.render(text))


def render(template: str, **values: object) -> str:
    """Renders `ui/fragments/<template>`; every value is escaped unless it is Markup."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["icon"] = icon
    environment.filters["answer"] = answer_markup
    environment.filters["seconds"] = format_seconds
    environment.filters["filesize"] = format_bytes
    return environment


def format_seconds(seconds: float) -> str:
    """Returns a duration as people say it: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def format_bytes(count: int) -> str:
    """Returns a size in decimal units: `812 B`, `14 kB`, `3.4 MB`."""
    if count < 1000:
        return f"{count} B"
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < size * 999.5 or unit == "GB":
            value = count / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    raise AssertionError("unreachable")
