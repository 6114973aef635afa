"""Waking a service's GPU before it is needed, and knowing when it is ready."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from backend.contract import ChatRequest, ImagePart, ImageURL, Message, TextPart
from backend.services import ServiceSpec
from client.events import JobEvent
from client.jobs import JobClient, completion_of

PROBE_PROMPT = "Is this picture grey? Answer yes or no."
PROBE_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAK0lEQVR42u3MMREAAAgEoNfkRjeEmwcBqMlNRyAQ"
    "CAQCgUAgEAgEAsHzYAFAdAEArKmlZAAAAABJRU5ErkJggg=="
)
"""A grey square of 64 x 64 pixels."""


@dataclass(frozen=True)
class Asked:
    """The service was asked to start a container."""

    is_supported: bool
    """False where it has no route for that; the probe wakes it all the same."""


@dataclass(frozen=True)
class Ready:
    """The service has answered the probe: the next job finds it warm."""

    after_s: float
    """Seconds since it was asked."""


WarmUpEvent = Asked | JobEvent | Ready


async def warm_up(client: JobClient) -> AsyncIterator[WarmUpEvent]:
    """Wakes the service and yields what is heard until it is ready.

    No route tells when a GPU is ready, so a job of one token about a tiny picture is sent, and its end is awaited.

    Raises:
        JobFailed, JobGone: the service broke over the probe.
        WaitTimeout, ServiceUnreachable, ServiceBusy, AccessError, ProtocolError: as in `Job.events`.
    """
    began = client.clock.now()
    yield Asked(await client.warm_up())
    job = await client.submit(probe_request(client.service))
    async for event in job.events(live=True):
        if not event.is_final:
            yield event
            continue
        completion_of(event)
        yield Ready(client.clock.now() - began)


def probe_request(service: ServiceSpec) -> ChatRequest:
    """Returns the smallest job that makes a service load all of its model."""
    content = [
        ImagePart(type="image_url", image_url=ImageURL(url=PROBE_PICTURE)),
        TextPart(type="text", text=PROBE_PROMPT),
    ]
    message = Message(role="user", content=content)
    return ChatRequest(model=service.model, messages=[message], max_tokens=1, temperature=0.0)
