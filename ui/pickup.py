"""Picks up the jobs that were left running: those that the browser remembers and no tab watches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from client.events import Done, JobEvent
from client.following import follow
from client.jobs import JobClient
from ui.components.job_status import STAGE_WORDS, JobCourse
from ui.record import MAX_ANSWER_CHARACTERS, MAX_TROUBLE_CHARACTERS

MAX_FOLLOWED = 40
"""Jobs that one tab has followed at the same time; the others come when these have ended."""
FOLLOWED_S = 600.0
"""How long they are followed before the tab has to ask again, in seconds."""
BEAT_S = 5.0
"""Longest silence towards the tab, so that either side notices when the other one is gone, in seconds."""


class PendingJob(BaseModel):
    """A job that the browser does not know the end of."""

    key: str = Field(max_length=100)
    service: str
    call_id: str = Field(max_length=200)


class News(BaseModel):
    """What was heard of such a job, by the names of the browser's record of it."""

    key: str
    stage: str = ""
    """What it is doing, in a word; empty once it has ended."""
    state: str = ""
    answer: str = ""
    trouble: str = ""
    took_s: float | None = None
    engine: str = ""


class Pickup:
    """Follows jobs for the page. Remembers nothing between calls."""

    def __init__(self, clients: Mapping[str, JobClient], *, beat_s: float = BEAT_S) -> None:
        self._clients = clients
        self._beat_s = beat_s

    async def follow(self, value: Any) -> AsyncIterator[dict[str, Any]]:
        """Yields all the news of the jobs in `value["pending"]` so far, at every change and at every beat.

        The last value has `over` set. What the browser has sent is checked; what is no job is left out.
        """
        pending = {job.call_id: job for job in self._read(value)}
        courses = {job.call_id: JobCourse(self._clients[job.service].service) for job in pending.values()}
        news: dict[str, News] = {}
        jobs = [self._clients[job.service].job(job.call_id) for job in pending.values()]
        beats = 0
        async for event in follow(jobs, timeout_s=FOLLOWED_S, beat_s=self._beat_s):
            if event is not None:
                courses[event.call_id].observe(event)
                news[event.call_id] = self._news(pending[event.call_id], courses[event.call_id], event)
            beats += 1
            yield _value(news, beats)
        yield _value(news, beats + 1, over=True)

    def _read(self, value: Any) -> list[PendingJob]:
        named = value.get("pending") if isinstance(value, dict) else None
        jobs = []
        for item in named[:MAX_FOLLOWED] if isinstance(named, list) else []:
            try:
                jobs.append(PendingJob.model_validate(item))
            except ValidationError:
                continue
        return [job for job in jobs if job.service in self._clients]

    def _news(self, job: PendingJob, course: JobCourse, event: JobEvent) -> News:
        if not event.is_final:
            return News(key=job.key, stage=STAGE_WORDS[course.state])
        health = self._clients[job.service].logbook.health
        ended = News(key=job.key, state=course.state, took_s=course.total_s(), engine=(health and health.engine) or "")
        if isinstance(event, Done):
            ended.answer = event.completion.text[:MAX_ANSWER_CHARACTERS]
        else:
            ended.trouble = getattr(event, "message", "")[:MAX_TROUBLE_CHARACTERS]
        return ended


def _value(news: Mapping[str, News], beats: int, *, over: bool = False) -> dict[str, Any]:
    return {"pending": [], "news": [item.model_dump() for item in news.values()], "beat": beats, "over": over}
