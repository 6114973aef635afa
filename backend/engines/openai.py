"""The engine `openai`: any server that speaks OpenAI's chat completions, as vLLM, llama.cpp and Ollama do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_exponential

from backend.contract import ChatRequest, Usage
from backend.engines import (
    Answer,
    EngineError,
    EngineEvent,
    EngineFailed,
    EngineUnavailable,
    RequestRefused,
    Starting,
    TextPiece,
)

CONNECT_S = 5.0
"""Longest that connecting may take, in seconds."""

CONNECT_ATTEMPTS = 3
"""How often a server that refuses the connection is tried."""

MAX_DETAIL_CHARS = 300
"""How much of the server's own words is passed on."""

_PASSED_ON = ("max_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop")

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class OpenAIEngine:
    """Passes requests on to an OpenAI-compatible server and its answers back, piece by piece."""

    name = "openai"

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        models: Mapping[str, str] | None = None,
        max_pixels: int | None = None,
        start_up_s: float = 300.0,
        stall_s: float = 120.0,
        retry_s: float = 0.5,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            base_url: where the server is, with its `/v1`.
            api_key: its key, if it wants one.
            models: the server's model names by the services' model names. For a service that is not in it the server
                is asked, and its model of the same name or else its first one is used.
            max_pixels: most pixels of an image that the server's model looks at, where that is known.
            start_up_s: how long a server that is loading its model is waited for, in seconds.
            stall_s: longest silence of the server before and within an answer, in seconds.
            retry_s: pause before the second try of a call, in seconds; later pauses grow up to ten times as long.
            http_client: used instead of a client of its own.
        """
        self.max_pixels = max_pixels
        self._address = _public_address(base_url)
        self._models = dict(models or {})
        self._found: dict[str, str] = {}
        self._start_up_s = start_up_s
        self._stall_s = stall_s
        self._wait = wait_exponential(multiplier=retry_s, max=10 * retry_s)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            timeout=openai.Timeout(stall_s, connect=CONNECT_S),
            # The SDK would repeat stalled calls as well as refused ones; which of them to repeat is decided here.
            max_retries=0,
            http_client=http_client,
        )

    async def answer(self, request: ChatRequest) -> AsyncIterator[EngineEvent]:
        """Answers one request. Closing the iterator closes the connection, upon which the server stops generating."""
        with self._explained():
            try:
                stream = await self._connected(self._open, request)
            except openai.APIStatusError as error:
                if not _is_loading(error):
                    raise
                yield Starting()
                stream = await self._loaded(self._open, request)
        try:
            with self._explained(midway=True):
                async for event in _read(stream):
                    yield event
        finally:
            await stream.close()

    async def warm_up(self) -> None:
        """Waits until the server answers. Asking for its models wakes a server that was scaled to zero."""
        with self._explained():
            await self._loaded(self._list_models)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def _open(self, request: ChatRequest) -> openai.AsyncStream[ChatCompletionChunk]:
        try:
            stream: openai.AsyncStream[ChatCompletionChunk] = await self._client.chat.completions.create(
                model=await self._upstream_model(request.model),
                stream=True,
                stream_options={"include_usage": True},
                **_parameters(request),
            )
            return stream
        except openai.NotFoundError:
            self._found.clear()
            raise

    async def _upstream_model(self, model: str) -> str:
        if known := self._models.get(model) or self._found.get(model):
            return known
        offered = await self._list_models()
        if not offered:
            raise EngineUnavailable(f"The model server at {self._address} offers no model. Load one, then try again.")
        self._found[model] = model if model in offered else offered[0]
        return self._found[model]

    async def _list_models(self) -> list[str]:
        page = await self._client.models.list()
        return [model.id for model in getattr(page, "data", None) or []]

    async def _connected(
        self, call: Callable[_Given, Awaitable[_Result]], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Result:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_connection_lost),
            stop=stop_after_attempt(CONNECT_ATTEMPTS),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(call, *args, **kwargs)

    async def _loaded(
        self, call: Callable[_Given, Awaitable[_Result]], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> _Result:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_loading),
            stop=stop_before_delay(self._start_up_s),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(self._connected, call, *args, **kwargs)

    @contextmanager
    def _explained(self, midway: bool = False) -> Iterator[None]:
        try:
            yield
        except openai.APITimeoutError as error:
            raise self._stalled(midway) from error
        except (openai.APIError, httpx2.RequestError) as error:
            raise explain(error, self._address, midway) from error
        except ValueError as error:
            raise EngineFailed(f"The model server at {self._address} sent what is no chat completion.") from error

    def _stalled(self, midway: bool) -> EngineError:
        if midway:
            return EngineFailed(
                f"The model server fell silent for {self._stall_s:g} seconds within its answer. Try again."
            )
        return EngineUnavailable(f"The model server at {self._address} did not answer in time. Try again later.")


def explain(error: Exception, address: str, midway: bool = False) -> EngineError:
    """Returns what a failed call to the server at the address means for the person who asked.

    `midway` tells that the answer had begun.
    """
    status, detail = _status(error), _detail(error)
    match status:
        case 400 | 413 | 422:
            return RequestRefused(f"The model server refused the request{detail}")
        case 401 | 403:
            return EngineUnavailable(
                f"The model server at {address} refused the credentials. Set UPSTREAM_API_KEY to its key."
            )
        case 404:
            return EngineUnavailable(
                f"The model server at {address} does not have what it was asked for{detail} "
                "Check UPSTREAM_BASE_URL, CAPTION_MODEL and VQA_MODEL."
            )
        case 429:
            return EngineUnavailable(f"The model server at {address} is overloaded. Try again later.")
        case 502 | 503 | 504:
            return EngineUnavailable(f"The model server at {address} is not ready{detail} Try again later.")
    if midway or status is not None:
        return EngineFailed(f"The model server broke while it answered{detail} Try again.")
    return EngineUnavailable(
        f"The model server at {address} cannot be reached. Check that it runs, and UPSTREAM_BASE_URL."
    )


async def _read(stream: openai.AsyncStream[ChatCompletionChunk]) -> AsyncIterator[EngineEvent]:
    if stream.response.headers.get("content-type", "").startswith("application/json"):
        answer = _whole_answer(await stream.response.aread())
        yield TextPiece(answer.text)
        yield answer
        return
    text, finish_reason, usage = "", None, Usage()
    async for chunk in stream:
        usage = _usage(chunk.usage) if chunk.usage else usage
        for choice in (chunk.choices or [])[:1]:
            finish_reason = choice.finish_reason or finish_reason
            if choice.delta and choice.delta.content:
                text += choice.delta.content
                yield TextPiece(choice.delta.content)
    if finish_reason is None:
        raise EngineFailed("The model server ended its answer before it was whole. Try again.")
    yield Answer(text, finish_reason, usage)


def _whole_answer(body: bytes) -> Answer:
    """Reads the answer of a server that does not stream."""
    completion = ChatCompletion.model_validate_json(body)
    if not completion.choices:
        raise EngineFailed("The model server answered without an answer. Try again.")
    choice = completion.choices[0]
    return Answer(choice.message.content or "", choice.finish_reason, _usage(completion.usage))


def _usage(usage: CompletionUsage | None) -> Usage:
    if usage is None:
        return Usage()
    return Usage(
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        total_tokens=usage.total_tokens or 0,
    )


def _parameters(request: ChatRequest) -> dict[str, Any]:
    given = request.model_dump(include={*_PASSED_ON, "messages"}, exclude_none=True)
    if request.top_k is not None:
        given["extra_body"] = {"top_k": request.top_k}
    return given


def _is_connection_lost(error: BaseException) -> bool:
    return isinstance(error, openai.APIConnectionError) and not isinstance(error, openai.APITimeoutError)


def _is_loading(error: BaseException) -> bool:
    return isinstance(error, openai.APIStatusError) and error.status_code == 503


def _status(error: Exception) -> int | None:
    """The HTTP status of the error, or the one that an error within a stream names."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code
    code = error.code if isinstance(error, openai.APIError) else None
    return int(code) if code and code.isdecimal() else None


def _detail(error: Exception) -> str:
    """The server's own words as the end of a sentence; a full stop alone where it had none fit to show."""
    body = error.body if isinstance(error, openai.APIError) else None
    if isinstance(body, Mapping):
        body = body.get("message") or body.get("detail") or body.get("error")
    if not isinstance(body, str) or not body.strip() or body.lstrip().startswith("<"):
        return "."
    words = " ".join(body.split())
    return f": {words.rstrip('.')}." if len(words) <= MAX_DETAIL_CHARS else f": {words[:MAX_DETAIL_CHARS]}..."


def _public_address(url: str) -> str:
    """The URL without user name, password and query, fit to be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
