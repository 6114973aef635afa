"""Following several jobs at once, as after the tab that watched them was closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from client.errors import InputError, NadirError
from client.events import Expired, JobEvent
from client.jobs import Job

Heard = asyncio.Queue[JobEvent | None]
"""What the listeners hear; None where one has ended."""


async def follow(jobs: Sequence[Job], *, timeout_s: float, beat_s: float) -> AsyncIterator[JobEvent | None]:
    """Yields what is heard of the jobs, in the order in which it is heard, and None where `beat_s` pass in silence.

    Each job is asked once at once, then as `Job.events` does. A job whose service cannot be asked falls out without a
    final event; it may be followed again. Ends when every job has ended, fallen out, or taken `timeout_s`.
    """
    heard: Heard = asyncio.Queue()
    listeners = [asyncio.create_task(_listen(job, timeout_s, heard)) for job in jobs]
    listening = len(listeners)
    try:
        while listening:
            try:
                async with asyncio.timeout(beat_s):
                    event = await heard.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                listening -= 1
            else:
                yield event
    finally:
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


async def _listen(job: Job, timeout_s: float, heard: Heard) -> None:
    try:
        event = await job.status()
        heard.put_nowait(event)
        if not event.is_final:
            async for event in job.events(timeout_s=timeout_s):
                heard.put_nowait(event)
    except InputError as error:
        heard.put_nowait(Expired(job.call_id, str(error)))
    except NadirError:
        return
    finally:
        heard.put_nowait(None)
