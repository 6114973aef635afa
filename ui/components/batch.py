"""A batch as the page's script is told of it: a summary, what never changes of its rows, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from client.batch_plan import MAX_REFUSALS, BatchPlan
from client.batch_rows import Row, RowStage
from client.batch_run import BatchRun
from client.verdicts import number_in, yes_or_no
from ui.components.job_status import STAGE_ICONS, STAGE_WORDS
from ui.fragments import format_seconds

SHOWN_ANSWER_CHARACTERS = 6000
"""Longest part of an answer that the table is told."""
ROW_STAGES = [(stage.value, STAGE_WORDS[stage.value], STAGE_ICONS[stage.value]) for stage in RowStage]
"""Key, word and icon of every stage of a row."""

Json = dict[str, Any]


def batch_title(plan: BatchPlan) -> str:
    """Returns what a batch is called: its first scene, and how many more there are."""
    used = sorted({job.scene for job in plan.jobs})
    more = len(used) - 1
    name = plan.scenes[used[0]].scene.name
    return name if not more else f"{name} and {more} more"


def summary(run: BatchRun) -> Json:
    """Returns how a batch stands, for its head and for the list of batches."""
    counts = run.rows.counts()
    ended = sum(counts[stage] for stage in RowStage if stage.is_final)
    return {
        "id": run.plan.id,
        "title": batch_title(run.plan),
        "service": run.plan.settings.spec.title,
        "created_at": run.plan.created_at,
        "total": len(run.rows),
        "ended": ended,
        "counts": {stage.value: count for stage, count in counts.items()},
        "begun": run.is_begun,
        "paused": run.is_paused,
        "over": run.is_over,
        "rest": rest_in_words(run, len(run.rows) - ended),
    }


def left_out(plan: BatchPlan) -> Json:
    """Returns what of the files is not in the batch: the first of them, and how many there are."""
    first = plan.refusals[:MAX_REFUSALS]
    return {
        "left_out": [{"name": one.name, "reason": one.reason} for one in first],
        "left_out_count": len(plan.refusals),
    }


def rest_in_words(run: BatchRun, jobs_left: int) -> str:
    """Returns how long the rest takes, as far as it is known; or what keeps it from going on."""
    if jobs_left == 0:
        return ""
    if run.is_paused:
        return "Paused. Jobs that were sent go on."
    if run.hindrance:
        return run.hindrance
    seconds = run.pace.seconds_for(jobs_left)
    return "Too early to say how long it takes." if seconds is None else f"About {rounded_time(seconds)} left."


def rounded_time(seconds: float) -> str:
    """Returns a duration no more exact than an estimate is: `8 s`, `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 9.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def fixed_rows(plan: BatchPlan, thumbnails: Sequence[str]) -> Json:
    """Returns what never changes: the scenes with their thumbnails, and each row's name, prompt and place.

    Args:
        thumbnails: address of each scene's thumbnail.
    """
    scenes = [
        {"name": each.scene.name, "thumbnail": url, "width": each.scene.width, "height": each.scene.height}
        for each, url in zip(plan.scenes, thumbnails, strict=True)
    ]
    rows = [
        {
            "id": job.id,
            "scene": job.scene,
            "name": plan.label(job),
            "tile": job.tile,
            "prompt": job.prompt,
            "window": [job.window.x, job.window.y, job.window.width, job.window.height] if job.window else None,
        }
        for job in plan.jobs
    ]
    view = {"captioning": "Caption", "vqa": "Ask"}[plan.settings.service]
    return {"scenes": scenes, "rows": rows, "view": view}


def changed_row(row: Row, now: float) -> Json:
    """Returns what a row says at present.

    Args:
        now: Unix time in seconds.
    """
    answer = row.answer[:SHOWN_ANSWER_CHARACTERS]
    told: Json = {"n": row.number, "stage": row.stage.value}
    if row.stage.is_under_way and row.began_at is not None:
        told["age_s"] = round(max(0.0, now - row.began_at), 1)
    if row.took_s is not None:
        told["took"] = format_seconds(row.took_s)
    if row.call_id:
        told["call_id"] = row.call_id
    if answer:
        told |= {"answer": answer, "yes": yes_or_no(answer), "number": number_in(answer)}
    if row.error:
        told["error"] = row.error
    return told


def row_record(run: BatchRun, row: Row, upload: str) -> Json:
    """Returns a row as the record of a job, with which Caption or Ask shows it.

    Args:
        upload: where its scene is among the uploads.
    """
    settings, window = run.plan.settings, row.job.window
    scene: Json = {"upload": upload, "name": run.plan.scenes[row.job.scene].scene.name}
    if window:
        scene["window"] = {"x": window.x, "y": window.y, "width": window.width, "height": window.height}
    return {
        "key": f"{run.plan.id}-{row.number}-{row.attempt}",
        "service": settings.service,
        "call_id": row.call_id or "",
        "prompt": row.job.prompt,
        "scene": scene,
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "detail": settings.detail.value,
        "enlarge": settings.enlarge,
        "submitted_at": row.began_at or run.plan.created_at,
        "turns": [],
        "state": row.stage.value if row.stage.is_final or not row.call_id else "",
        "answer": row.answer[:20_000],
    }
