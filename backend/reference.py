"""The gateway's reference: what each route takes and answers, with examples, and the page that shows it.

The page is made here rather than by Swagger UI, which FastAPI loads from a foreign host: the app must run without the
internet.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment
from pydantic import BaseModel

from backend.contract import (
    COMPLETIONS_PATH,
    HEALTH_PATH,
    MAX_OUTPUT_TOKENS,
    MODEL_PATH,
    MODELS_PATH,
    STATUS_PATH,
    SUBMIT_PATH,
    UNKNOWN_MESSAGE,
    WARMUP_PATH,
    AnswerMessage,
    ChatRequest,
    Choice,
    Completion,
    ErrorBody,
    Health,
    ImagePart,
    ImageURL,
    Message,
    ModelCard,
    ModelList,
    Pending,
    Stage,
    Submitted,
    TextPart,
    Usage,
    WarmUp,
)
from backend.reference_page import TEMPLATE
from backend.services import ServiceSpec

EXAMPLE_CALL_ID = "fc-abc123xyz"

EXAMPLE_IMAGE_URL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAEElEQVR42mOMYoAAJgaKGAAbfgBq+MZE2wAAAABJRU5ErkJggg=="
)
"""A whole, tiny image, so that the example requests can be sent as they stand."""

_SCHEMAS = "#/components/schemas/"

_ERRORS = {
    400: ("The request is not acceptable.", "messages[0].content is missing."),
    404: ("The job is unknown, expired or cancelled.", UNKNOWN_MESSAGE),
    408: ("The request stopped arriving.", "The request body stopped arriving for 30 seconds. Send it again."),
    413: ("The request is too large.", "The request is larger than 30 MiB. Send a smaller image."),
    429: ("Too many jobs wait. `Retry-After` says when to try again.", "256 jobs wait already. Try again later."),
    500: ("The job failed, for good.", "The engine broke while answering."),
    503: ("The queue or the engine cannot be reached. `Retry-After` says when to try again.", "Nothing answers."),
}

_Routes = dict[tuple[str, str], dict[str, Any]]


class DocumentedAPI(FastAPI):
    """A FastAPI app whose routes read chat requests themselves and answer every error in the contract's form."""

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI document: with the chat request, and without FastAPI's own form of errors."""
        if self.openapi_schema is None:
            document = super().openapi()
            _replace_schemas(document["components"]["schemas"])
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
        return super().openapi()


def _replace_schemas(schemas: dict[str, Any]) -> None:
    request = ChatRequest.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(request.pop("$defs") | {"ChatRequest": request})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def document_routes(service: ServiceSpec) -> _Routes:
    """Returns, by method and path, what FastAPI is to say of each route: title, body, answers, examples."""
    completion = _example_completion(service)
    submitted = Submitted(call_id=EXAMPLE_CALL_ID, model=service.model)
    pending = Pending(call_id=EXAMPLE_CALL_ID, stage=Stage.RUNNING, elapsed=3.2, partial="This satellite image")
    health = Health(model=service.model, engine="vllm")
    card = ModelCard(id=service.model, max_output_tokens=MAX_OUTPUT_TOKENS)
    done = _answer("The job's result.", completion)
    streamed = {"text/event-stream": {"example": "data: [DONE]"}}
    body = _request_body(service)
    return {
        ("POST", SUBMIT_PATH): _route(
            "Submit a job", {200: _answer("The job is taken.", submitted)}, 400, 408, 413, 429, 503, body=body
        ),
        ("GET", STATUS_PATH): _route(
            "Poll a job", {200: done, 202: _answer("The job is not finished.", pending)}, 400, 404, 500, 503
        ),
        ("DELETE", STATUS_PATH): _route("Cancel a job", {200: done}, 404, 500, 503),
        ("POST", COMPLETIONS_PATH): _route(
            "Ask and wait",
            {200: {**done, "content": done["content"] | streamed}},
            *(400, 404, 408, 413, 429, 500, 503),
            body=body,
        ),
        ("GET", HEALTH_PATH): _route("Health", {200: _answer("The gateway is up.", health)}),
        ("POST", WARMUP_PATH): _route("Warm up", {202: _answer("On its way.", WarmUp(model=service.model))}, 503),
        ("GET", MODELS_PATH): _route("List models", {200: _answer("The model.", ModelList(data=[card]))}),
        ("GET", MODEL_PATH): _route("Describe a model", {200: _answer("The model.", card)}, 404),
    }


def add_reference(app: FastAPI) -> None:
    """Adds `/docs`: the OpenAPI document as one static page that loads nothing else."""
    page = Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE)

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        document = app.openapi()
        # Not `request.base_url`, which leaves out the path that this app is mounted under.
        base_url = str(request.url.replace(query="")).removesuffix("/docs")
        return HTMLResponse(page.render(info=document["info"], routes=list(_entries(document, base_url))))


@dataclass(frozen=True)
class Entry:
    """One route, as the page shows it."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    command: str
    """A line for a shell that calls it."""
    answers: list[tuple[str, str, str]]
    """Status, meaning and example of each answer."""


def _entries(document: dict[str, Any], base_url: str) -> Iterator[Entry]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield Entry(
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                description=operation["description"],
                parameters=operation.get("parameters", []),
                command=_command(method.upper(), base_url + path, operation),
                answers=[
                    (status, answer["description"], _indented(_example(answer)))
                    for status, answer in sorted(operation["responses"].items())
                ],
            )


def _command(method: str, url: str, operation: dict[str, Any]) -> str:
    model = _example(operation["responses"].get("200", {})) or {}
    url = url.replace("{call_id}", EXAMPLE_CALL_ID).replace("{model}", str(model.get("id")))
    words = ["curl", *([] if method == "GET" else ["-X", method]), url]
    line = shlex.join(words)
    body = _example(operation.get("requestBody", {}))
    if body is None:
        return line
    return f"{line} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(_indented(body))}"


def _example(answer: dict[str, Any]) -> Any:
    return answer.get("content", {}).get("application/json", {}).get("example")


def _indented(example: object) -> str:
    return "" if example is None else json.dumps(example, indent=2)


def _route(
    summary: str, answers: dict[int | str, dict[str, Any]], *errors: int, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    refusals = {status: _answer(_ERRORS[status][0], ErrorBody(error=_ERRORS[status][1])) for status in errors}
    return {
        "summary": summary,
        "status_code": min(map(int, answers)),
        "responses": answers | refusals,
        "openapi_extra": {"requestBody": body} if body else None,
    }


def _answer(description: str, example: BaseModel) -> dict[str, Any]:
    shown = example.model_dump(mode="json", exclude_none=not isinstance(example, ErrorBody))
    return {"description": description, "model": type(example), "content": {"application/json": {"example": shown}}}


def _request_body(service: ServiceSpec) -> dict[str, Any]:
    image = ImagePart(type="image_url", image_url=ImageURL(url=EXAMPLE_IMAGE_URL))
    question = TextPart(type="text", text=service.default_prompt)
    example = ChatRequest(
        model=service.model,
        messages=[Message(role="user", content=[question, image])],
        max_tokens=service.max_tokens,
        temperature=service.temperature,
    )
    content = {"schema": {"$ref": _SCHEMAS + "ChatRequest"}, "example": example.model_dump(exclude_unset=True)}
    return {"required": True, "content": {"application/json": content}}


def _example_completion(service: ServiceSpec) -> Completion:
    return Completion(
        id=f"chatcmpl-{EXAMPLE_CALL_ID}",
        created=1767225600,
        model=service.model,
        choices=[Choice(message=AnswerMessage(content="This satellite image shows an airport with two runways."))],
        usage=Usage(prompt_tokens=1042, completion_tokens=11, total_tokens=1053),
    )
