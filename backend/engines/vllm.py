"""The engine `vllm`: a vLLM server of the same container."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from backend.contract import ChatRequest
from backend.engines import EngineError, EngineEvent, EngineUnavailable, RequestRefused
from backend.engines.openai import OpenAIEngine
from backend.engines.vllm_server import VLLMServer
from backend.services import ServiceSpec

LAST_BREATH_S = 1
"""How much later than its connections a dying server may end."""


class VLLMEngine(OpenAIEngine):
    """Answers with a server of this container."""

    name = "vllm"

    def __init__(self, server: VLLMServer, service: ServiceSpec, max_pixels: int) -> None:
        """Takes a server that serves the service's model, and how many pixels of an image that model is given."""
        super().__init__(
            f"{server.base_url}/v1",
            models={service.model: service.model},
            max_pixels=max_pixels,
            stall_s=service.timeout_s,
        )
        self._server = server

    async def answer(self, request: ChatRequest) -> AsyncGenerator[EngineEvent]:
        """Answers one request. Closing the iterator has vLLM stop."""
        try:
            # An asynchronous generator, although the protocol promises less.
            async with aclosing(cast(AsyncGenerator[EngineEvent, None], super().answer(request))) as events:
                async for event in events:
                    yield event
        except RequestRefused:
            raise
        except EngineError as error:
            if not await self._server.ends_within(LAST_BREATH_S):
                raise
            raise EngineUnavailable("The model server broke and is being replaced. Submit the job again.") from error
