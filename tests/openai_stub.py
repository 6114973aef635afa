"""A small OpenAI-compatible server that behaves, and misbehaves, as the servers of the wild do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

WORDS = ("Two ", "runways ", "and ", "a ", "harbour.")
ANSWER = "".join(WORDS)
USAGE = {"prompt_tokens": 1042, "completion_tokens": 5, "total_tokens": 1047}


class OpenAIStub:
    """Answers as its `mode` says.

    `stream`; `json`, which ignores that it should stream; `no-usage`, which ignores `stream_options`; `reasoning`,
    which thinks aloud first; `length`; `hold`, which waits for `go_on` after the first word; `stall`, which says
    nothing at all; `cut`, which ends within the answer; `drop`, which breaks the connection there; `error-midway`;
    `garbage`; `empty`. A number as text answers with that status and `message`.
    """

    def __init__(self, mode: str = "stream", models: tuple[str, ...] = ("stub-model",)) -> None:
        self.models = models
        self.reset(mode)
        self.app = FastAPI()
        self.app.add_api_route("/v1/models", self._models, methods=["GET"])
        self.app.add_api_route("/v1/chat/completions", self._complete, methods=["POST"])

    def reset(self, mode: str = "stream") -> None:
        """Forgets what it was asked, and does from now on as `mode` says."""
        self.mode = mode
        self.words = WORDS
        self.message = "The prompt is too long: 9000 tokens, and the model reads 8192."
        self.loading_answers = 0
        """How many calls are still answered with 503, as while a model is being loaded."""
        self.calls: list[dict[str, Any]] = []
        """Bodies of the requests for completions."""
        self.authorizations: list[str | None] = []
        self.go_on = asyncio.Event()
        self.left = asyncio.Event()
        """Set once a caller left before the end of its answer."""

    async def _models(self) -> Response:
        if refusal := self._refusal():
            return refusal
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def _complete(self, request: Request) -> Response:
        self.calls.append(await request.json())
        self.authorizations.append(request.headers.get("authorization"))
        if refusal := self._refusal():
            return refusal
        if self.mode == "json":
            return JSONResponse(_whole())
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    def _refusal(self) -> Response | None:
        if self.loading_answers > 0:
            self.loading_answers -= 1
            return _error(503, "Loading model")
        return _error(int(self.mode), self.message) if self.mode.isdecimal() else None

    async def _stream(self) -> AsyncIterator[str]:
        try:
            async for event in self._events():
                yield event
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def _events(self) -> AsyncIterator[str]:
        if self.mode == "stall":
            await asyncio.Event().wait()
        if self.mode == "reasoning":
            yield _chunk(reasoning_content="Let me think.")
        yield _event(_head() | {"choices": []})
        yield _chunk(role="assistant", content="")
        for number, word in enumerate(() if self.mode == "empty" else self.words):
            if number == 1:
                match self.mode:
                    case "hold":
                        await self.go_on.wait()
                    case "cut":
                        return
                    case "drop":
                        raise ConnectionAbortedError("The stub breaks off, as it was told to.")
                    case "garbage":
                        yield "data: {not json\n\n"
                    case "error-midway":
                        yield _event({"error": {"message": "CUDA out of memory", "type": "server_error", "code": 500}})
                        return
            yield _chunk(content=word)
        yield _chunk(finish_reason="length" if self.mode == "length" else "stop")
        if self.mode != "no-usage":
            yield _event(_head() | {"choices": [], "usage": USAGE})
        yield "data: [DONE]\n\n"


def _head(kind: str = "chat.completion.chunk") -> dict[str, Any]:
    return {"id": "stub-1", "object": kind, "created": 1, "model": "stub-model"}


def _whole() -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    return _head("chat.completion") | {"choices": [choice], "usage": USAGE}


def _chunk(finish_reason: str | None = None, **delta: str) -> str:
    return _event(_head() | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "error", "code": status}}, status_code=status)
