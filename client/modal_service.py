"""The clients that the service's document shows, by their names and signatures, as a thin face of `JobClient`.

Code that was written for them works with these. What it gains: a retried submission starts no second job, the wait
adapts to the service instead of sleeping for `poll_interval`, a job that failed ends the wait, `timeout=0` polls once,
a batch keeps every question of an image, and errors say what to do next. They are `ValueError` for a request that was
refused and for a job that is gone, and `TimeoutError` for a wait that took too long, as the document has them; a
failed job is `JobFailed`, and a service that cannot be reached `ServiceUnreachable`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from backend.contract import ChatRequest, ImagePart, ImageURL, Message, TextPart
from backend.services import CAPTIONING, VQA, ServiceSpec
from client.batch import Batch
from client.environment import Environment, read_environment
from client.habits import ServiceHabits
from client.items import BatchItem, item_ids
from client.jobs import JobClient
from client.retry import RetryPolicy

DEFAULT_PROMPT = CAPTIONING.default_prompt

log = logging.getLogger(__name__)


class BatchAnswers(dict[str, str | None]):
    """Answers by image URL, as the document returns them, and by question, which it loses.

    The value of an image with several questions holds all of its answers, a line each, in the order of the questions.
    It is None where there is no answer at all.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], answers: Sequence[str | None]) -> None:
        self.pairs = list(pairs)
        """The (image URL, question) pairs as they were given."""
        self.answers = list(answers)
        """One answer for each pair, in their order; None where there is none."""
        gathered: dict[str, list[str]] = {image_url: [] for image_url, _ in pairs}
        for (image_url, _), answer in zip(pairs, answers, strict=True):
            if answer is not None:
                gathered[image_url].append(answer)
        super().__init__({image_url: "\n".join(texts) if texts else None for image_url, texts in gathered.items()})


class ModalServiceClient:
    """Client for the deployed services. Addresses and time limits come from the environment.

    It opens connections for each call, so it can be kept in a module and used from any event loop.
    """

    def __init__(self, environment: Environment | None = None) -> None:
        """
        Raises:
            InputError: an environment variable is not acceptable.
        """
        environment = environment or read_environment()
        self.vqa_base_url = environment.urls[VQA.key]
        self.caption_base_url = environment.urls[CAPTIONING.key]
        self.timeout = environment.timeouts_s[VQA.key]
        self.caption_timeout = environment.timeouts_s[CAPTIONING.key]
        self._credentials = environment.credentials
        self._habits: dict[str, ServiceHabits] = {}

    async def submit_vqa_async(
        self, image_url: str, query: str, max_tokens: int = 128, temperature: float = 0.0
    ) -> str:
        """Submits a question about an image, and returns the call id.

        Raises:
            NadirError: as `JobClient.submit` does.
        """
        return await self._submit(VQA, image_url, query, max_tokens, temperature)

    async def submit_captioning_async(
        self, image_url: str, prompt: str = DEFAULT_PROMPT, max_tokens: int = 512, temperature: float = 0.7
    ) -> str:
        """Submits an image to be captioned, and returns the call id.

        Raises:
            NadirError: as `JobClient.submit` does.
        """
        return await self._submit(CAPTIONING, image_url, prompt, max_tokens, temperature)

    async def poll_job_status(
        self, base_url: str, call_id: str, max_wait: float = 300, poll_interval: float = 2.0
    ) -> dict[str, Any]:
        """Waits for a job and returns the completion as the service sent it. `poll_interval` is not needed.

        Raises:
            NadirError: as `Job.result` does.
        """
        async with self._client(self._service_at(base_url), base_url) as client:
            completion = await client.job(call_id).result(timeout_s=max_wait)
        return completion.model_dump(mode="json")

    async def poll_vqa_result(self, call_id: str, timeout: float = 300) -> str:
        """Waits for a question's job and returns the answer."""
        return answer_of(await self.poll_job_status(self.vqa_base_url, call_id, max_wait=timeout))

    async def poll_captioning_result(self, call_id: str, timeout: float = 300) -> str:
        """Waits for a captioning job and returns the caption."""
        return answer_of(await self.poll_job_status(self.caption_base_url, call_id, max_wait=timeout))

    async def submit_vqa_async_safe(
        self, image_url: str, query: str, max_tokens: int = 128, temperature: float = 0.0
    ) -> str:
        """The same as `submit_vqa_async`, which is safe to begin with."""
        return await self.submit_vqa_async(image_url, query, max_tokens, temperature)

    async def submit_captioning_async_safe(
        self, image_url: str, prompt: str = DEFAULT_PROMPT, max_tokens: int = 512, temperature: float = 0.7
    ) -> str:
        """The same as `submit_captioning_async`, which is safe to begin with."""
        return await self.submit_captioning_async(image_url, prompt, max_tokens, temperature)

    async def poll_job_status_safe(
        self, base_url: str, call_id: str, max_wait: float = 300, poll_interval: float = 2.0, max_retries: int = 3
    ) -> dict[str, Any]:
        """`poll_job_status` with a bound on how often in a row the service is asked in vain."""
        async with self._client(self._service_at(base_url), base_url) as client:
            client.retry = RetryPolicy(attempts=max(1, max_retries))
            completion = await client.job(call_id).result(timeout_s=max_wait)
        return completion.model_dump(mode="json")

    async def vqa(self, image_url: str, query: str, max_tokens: int = 128, temperature: float = 0.0) -> str:
        """Asks by the synchronous route, and returns the answer when it is there."""
        return await self._complete(VQA, image_url, query, max_tokens, temperature)

    async def captioning(
        self, image_url: str, prompt: str = DEFAULT_PROMPT, max_tokens: int = 512, temperature: float = 0.7
    ) -> str:
        """Captions by the synchronous route, and returns the caption when it is there."""
        return await self._complete(CAPTIONING, image_url, prompt, max_tokens, temperature)

    async def process_batch_vqa_async(
        self, image_question_pairs: Sequence[tuple[str, str]], max_concurrent: int = 10
    ) -> BatchAnswers:
        """Answers many questions, `max_concurrent` at once, and returns every answer."""
        ids = item_ids(image_question_pairs)
        items = [
            BatchItem(item_id, request_for(VQA, image_url, question, VQA.max_tokens, VQA.temperature))
            for item_id, (image_url, question) in zip(ids, image_question_pairs, strict=True)
        ]
        answers: dict[str, str | None] = {}
        async with self._client(VQA) as client:
            async for result in Batch(client, items, max_concurrent=max_concurrent).results():
                answers[result.item.id] = result.text
                if result.error:
                    log.error("VQA job %s failed: %s", result.call_id, result.error)
        return BatchAnswers(image_question_pairs, [answers[item_id] for item_id in ids])

    async def _submit(
        self, service: ServiceSpec, image_url: str, prompt: str, max_tokens: int, temperature: float
    ) -> str:
        async with self._client(service) as client:
            job = await client.submit(request_for(service, image_url, prompt, max_tokens, temperature))
        return job.call_id

    async def _complete(
        self, service: ServiceSpec, image_url: str, prompt: str, max_tokens: int, temperature: float
    ) -> str:
        async with self._client(service) as client:
            completion = await client.complete(request_for(service, image_url, prompt, max_tokens, temperature))
        return completion.text

    def _client(self, service: ServiceSpec, base_url: str = "") -> JobClient:
        base_url = base_url or (self.vqa_base_url if service is VQA else self.caption_base_url)
        timeout_s = self.timeout if service is VQA else self.caption_timeout
        client = JobClient(service, base_url, timeout_s=timeout_s, credentials=self._credentials)
        client.habits = self._habits.setdefault(base_url, client.habits)
        return client

    def _service_at(self, base_url: str) -> ServiceSpec:
        return CAPTIONING if base_url == self.caption_base_url else VQA


async def process_batch_vqa_async(
    image_question_pairs: Sequence[tuple[str, str]], max_concurrent: int = 10
) -> BatchAnswers:
    """`ModalServiceClient.process_batch_vqa_async` with the addresses of the environment."""
    return await ModalServiceClient().process_batch_vqa_async(image_question_pairs, max_concurrent)


def request_for(service: ServiceSpec, image_url: str, prompt: str, max_tokens: int, temperature: float) -> ChatRequest:
    """Returns the request that the document shows: one turn with the prompt and the image at a URL."""
    content = [TextPart(type="text", text=prompt), ImagePart(type="image_url", image_url=ImageURL(url=image_url))]
    return ChatRequest(
        model=service.model,
        messages=[Message(role="user", content=list(content))],
        max_tokens=max_tokens,
        temperature=temperature,
    )


def answer_of(completion: dict[str, Any]) -> str:
    """Returns the text of a completion."""
    text: str = completion["choices"][0]["message"]["content"]
    return text
