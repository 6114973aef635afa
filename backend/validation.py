"""Checks of a chat request before it costs anything: from the bytes of a body to a request that the queue may take."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from backend.contract import ChatRequest, ImagePart, Message, TextPart
from backend.images import NotAnImage, decode_data_url, inspect_image
from backend.services import ServiceSpec

MAX_IMAGES = 8
"""Most images of one request."""

MAX_TEXT_CHARS = 100_000
"""Most characters of all the messages of one request. The models read fewer."""

MAX_JSON_VALUES = 250_000
"""Most commas and brackets of a body. It bounds what a small body can unpack into; a checked request has fewer."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_PORTS = {"http": 80, "https": 443}


class BadRequest(ValueError):
    """The request cannot be taken. `str()` is one sentence that names the field and what it must be."""


def parse_request(body: bytes, service: ServiceSpec, image_hosts: Collection[str] = ()) -> ChatRequest:
    """Checks a body and returns the request as the queue takes it.

    `max_tokens` and `temperature` are filled in from the service, and every data URL names the MIME type that its
    bytes really have. `image_hosts` are the lower-case host names (`host` or `host:port`) whose `http(s)` image URLs
    are let through; nothing is fetched. This decodes base64 and image heads, so call it off the event loop.

    Raises:
        BadRequest: with the first thing that is wrong.
    """
    request = decode_request(body)
    if request.model != service.model:
        raise BadRequest(f'model must be "{service.model}", the model of this service, not {_quoted(request.model)}.')
    if not any(message.role == "user" for message in request.messages):
        raise BadRequest('messages must hold at least one message whose role is "user".')
    _check_words(request)
    if len(request.image_urls) > MAX_IMAGES:
        raise BadRequest(f"messages hold {len(request.image_urls)} images; a request may have at most {MAX_IMAGES}.")
    return request.model_copy(
        update={
            "messages": [_checked_message(m, f"messages[{i}]", image_hosts) for i, m in enumerate(request.messages)],
            "max_tokens": request.max_completion_tokens or request.max_tokens or service.max_tokens,
            "max_completion_tokens": None,
            "temperature": service.temperature if request.temperature is None else request.temperature,
        }
    )


def decode_request(body: bytes) -> ChatRequest:
    """Reads a body as a chat request, checking its form and its ranges alone.

    Raises:
        BadRequest: no JSON, or JSON of another form.
    """
    document = _decode_json(body.removeprefix(_BYTE_ORDER_MARK))
    if not isinstance(document, dict):
        raise BadRequest("The request body must be a JSON object with model and messages.")
    try:
        return ChatRequest.model_validate(document)
    except ValidationError as error:
        raise BadRequest(describe_errors(error.errors(include_url=False), document)) from None


def describe_errors(errors: Iterable[ErrorDetails], document: object) -> str:
    """Says in one sentence what is wrong with the document: of several errors, the one deepest within it.

    A value that fits no member of a union has one error for each member; those are told together.
    """
    placed = [(*_place(error["loc"], document), error) for error in errors]
    deepest = max(depth for _, depth, _ in placed)
    field, _, first = next(item for item in placed if item[1] == deepest)
    complaints = [_complaint(error) for name, depth, error in placed if name == field and depth == deepest]
    if first["type"] == "missing":
        return f"{field}.{first['loc'][-1]} is missing.".lstrip(".")
    wishes = [complaint.removeprefix("must be ") for complaint in complaints if complaint.startswith("must be ")]
    whole = f"must be {' or '.join(wishes)}" if len(wishes) == len(complaints) else complaints[-1]
    return f"{field or 'The request body'} {whole}."


def _decode_json(body: bytes) -> object:
    if not body.strip():
        raise BadRequest("The request body is empty; send a JSON object with model and messages.")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_JSON_VALUES:
        raise BadRequest("The request body holds too many values for a chat request.")
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"The request body is not valid JSON: {error}.") from None


def _place(loc: tuple[int | str, ...], document: object) -> tuple[str, int]:
    """Name and depth of what a pydantic location points at; steps that are names of types, not of fields, fall out."""
    name, depth, value = "", 0, document
    for step in loc:
        if isinstance(value, Mapping) and step in value:
            name, depth, value = f"{name}.{step}", depth + 1, value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            name, depth, value = f"{name}[{step}]", depth + 1, value[step]
    return name.lstrip("."), depth


def _complaint(error: ErrorDetails) -> str:
    match error["type"]:
        case "union_tag_invalid" | "union_tag_not_found":
            return 'must have the type "text" or "image_url"'
        case "model_type" | "model_attributes_type":
            return "must be an object"
        case "too_short":
            return "must not be empty"
        case "too_long":
            return f"must have at most {error['ctx']['max_length']} items"
    wish = error["msg"].replace("Input should be", "must be").partition(", ")[0]
    return wish.replace("a valid integer", "an integer").replace("a valid ", "a ")


def _check_words(request: ChatRequest) -> None:
    texts = [message.text for message in request.messages]
    if sum(map(len, texts)) > MAX_TEXT_CHARS:
        raise BadRequest(f"messages hold more than {MAX_TEXT_CHARS} characters of text; shorten them.")
    if any("\0" in text for text in texts):
        raise BadRequest("messages hold a NUL character; remove it.")


def _checked_message(message: Message, where: str, image_hosts: Collection[str]) -> Message:
    if isinstance(message.content, str):
        return message
    parts = [_checked_part(part, f"{where}.content[{i}]", image_hosts) for i, part in enumerate(message.content)]
    return message.model_copy(update={"content": parts})


def _checked_part(part: TextPart | ImagePart, where: str, image_hosts: Collection[str]) -> TextPart | ImagePart:
    if isinstance(part, TextPart):
        return part
    url = _checked_url(part.image_url.url, f"{where}.image_url.url", image_hosts)
    return part.model_copy(update={"image_url": part.image_url.model_copy(update={"url": url})})


def _checked_url(url: str, where: str, image_hosts: Collection[str]) -> str:
    if url[:5].lower() == "data:":
        return _with_true_mime(url, where)
    if url[:8].lower().startswith(("http://", "https://")):
        _check_host(url, where, image_hosts)
        return url
    raise BadRequest(f"{where} must be a data URL of an image: data:image/png;base64, and then the base64.")


def _with_true_mime(url: str, where: str) -> str:
    try:
        image = inspect_image(decode_data_url(url))
    except NotAnImage as error:
        raise BadRequest(f"{where} holds no image that can be read: {error}.") from None
    return f"data:{image.mime};base64,{url[url.index(',') + 1 :]}"


def _check_host(url: str, where: str, image_hosts: Collection[str]) -> None:
    """Lets a URL through only if every reader of it must agree that its host is one of those allowed."""

    def refuse(reason: str) -> NoReturn:
        raise BadRequest(f"{where} {reason}; send the image itself as a data URL.")

    if not url.isascii() or not url.isprintable() or any(c in url for c in ' \\"<>^`{|}'):
        refuse("holds characters that a URL may not have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        refuse("is not a valid URL")
    if "@" in parts.netloc:
        refuse("must not hold a user name")
    host = parts.hostname or ""
    bare = port is None or port == _PORTS[parts.scheme]
    if not ((bare and host in image_hosts) or f"{host}:{port}" in image_hosts):
        refuse(f"points at the host {_quoted(host)}, which this service does not fetch images from")


def _quoted(text: str, limit: int = 80) -> str:
    """The text within quotes, fit for a sentence: escaped, and cut where it is long."""
    return json.dumps(text if len(text) <= limit else text[:limit] + "...")
