"""Ready code for the request on the page: the templates of `assets/snippets/`, filled in. It never holds a secret."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backend.services import ServiceSpec
from client.payload import Detail
from client.scene import Rendering, Window

TEMPLATES = Path(__file__).resolve().parent.parent / "assets" / "snippets"

IMAGE_PLACE = "IMAGE-URL"
PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""How the names of images end that every service reads."""


class SnippetKind(StrEnum):
    """A way to make the request; the value is the template's file name without its ending."""

    NADIR = "nadir.py"
    HTTPX = "httpx.py"
    TYPESCRIPT = "fetch.ts"
    CURL = "curl.sh"

    @property
    def label(self) -> str:
        """What people call it."""
        return {"nadir.py": "Python", "httpx.py": "Python, httpx only", "fetch.ts": "TypeScript", "curl.sh": "cURL"}[
            self.value
        ]

    @property
    def language(self) -> str:
        """Name of the language, for highlighting."""
        return {".py": "python", ".ts": "typescript", ".sh": "shell"}[Path(self.value).suffix]


@dataclass(frozen=True)
class SnippetRequest:
    """What the code is to ask."""

    service: ServiceSpec
    base_url: str
    """The service's address as the caller of the code reaches it."""
    prompt: str
    max_tokens: int
    temperature: float
    image: str = "scene.png"
    """Name of the scene's file."""
    picture: str = "picture.png"
    """Name of the file with the picture that the model gets, as the page saves it."""
    rendering: Rendering = field(default_factory=Rendering)
    window: Window | None = None
    """The part to send; None for the whole scene."""
    detail: Detail = Detail.STANDARD
    enlarge: bool = False
    """Whether a small scene grows to the size of the detail."""
    needs_token: bool = False
    """Whether the service wants MODAL_KEY and MODAL_SECRET, which the code reads from its environment."""

    @property
    def sends_picture(self) -> bool:
        """Whether code without Nadir's client has to send the picture, because the scene's file is another one."""
        chosen = (self.rendering, self.window, self.detail, self.enlarge)
        return chosen != (Rendering(), None, Detail.STANDARD, False) or (
            Path(self.image).suffix.lower() not in PLAIN_SUFFIXES
        )

    @property
    def plain_image(self) -> str:
        """Name of the file that such code sends."""
        return self.picture if self.sends_picture else self.image


def render_snippet(kind: SnippetKind, request: SnippetRequest) -> str:
    """Returns code that makes the request, waits for the job and prints the answer."""
    text: str = _templates().get_template(f"{kind.value}.jinja").render(ask=request)
    return text


@cache
def _templates() -> Environment:
    # Code is no HTML: each template quotes for its own language.
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    templates.filters["string"] = _string_literal
    templates.filters["shell"] = lambda value: shlex.quote(str(value))
    templates.filters["body"] = _body
    return templates


def _string_literal(value: str) -> str:
    """Returns a string as Python and TypeScript both write it."""
    return json.dumps(str(value), ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@dataclass(frozen=True)
class _Body:
    """The request's JSON around its image URL."""

    before: str
    after: str


def _body(ask: SnippetRequest) -> _Body:
    image = {"type": "image_url", "image_url": {"url": IMAGE_PLACE}}
    text = {"type": "text", "text": ask.prompt}
    body = {
        "model": ask.service.model,
        "messages": [{"role": "user", "content": [image, text]}],
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
    }
    # The first place is the image's: what the prompt says comes after it.
    before, _, after = json.dumps(body, ensure_ascii=False).partition(IMAGE_PLACE)
    return _Body(before, after)
