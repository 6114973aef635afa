"""What the command line shows meanwhile: a moving display on a terminal, plain lines in a pipe."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.status import Status

from client.events import (
    Cancelled,
    Done,
    Expired,
    Failed,
    JobEvent,
    PendingEvent,
    Queued,
    Running,
    Starting,
    Unreachable,
)
from client.items import Progress

LINES = 20
"""Lines that a batch writes into a pipe, besides those that say why it pauses."""


class JobDisplay:
    """Shows what one job is doing."""

    def __init__(self, call_id: str) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = Status(f"Job {call_id}", console=self._console) if self._console.is_terminal else None
        self._shown = ""
        if not self._status:
            self._console.print(f"Job {call_id}", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def show(self, event: JobEvent) -> None:
        """Shows an event; in a pipe, only one that says something new."""
        text = self.describe(event)
        if self._status:
            since = f", {event.elapsed_s:.0f} s" if isinstance(event, PendingEvent) and event.elapsed_s else ""
            self._status.update(f"{text}{since}")
        elif text != self._shown:
            self._console.print(text, markup=False, soft_wrap=True)
        self._shown = text

    @staticmethod
    def describe(event: JobEvent) -> str:
        """Returns an event in a few words."""
        match event:
            case Queued(position=position):
                return "queued" if position is None else f"queued, {position} ahead"
            case Starting():
                return "starting: the service was idle and loads its model"
            case Running():
                return "running"
            case Unreachable(message=message):
                return f"connection lost, trying again: {message}"
            case Done():
                return "done"
            case Failed(message=message) | Cancelled(message=message) | Expired(message=message):
                return message
        return "waiting"


class BatchDisplay:
    """Shows how a batch stands."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = ProgressBar(
            *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
            *(TimeElapsedColumn(), TimeRemainingColumn()),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("batch", total=total)
        self._step = max(1, total // LINES)
        self._shown = Progress(total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Shows the progress; in a pipe, only when it has come on a good deal, or pauses, or goes on."""
        text = self.describe(progress)
        self._bar.update(self._task, completed=progress.ended, description=text)
        has_come_on = progress.ended - self._shown.ended >= self._step or progress.ended == progress.total
        is_news = progress.paused != self._shown.paused or (has_come_on and progress.ended != self._shown.ended)
        if is_news:
            self._shown = progress
            if not self._console.is_terminal:
                self._console.print(f"{progress.ended}/{progress.total} {text}", markup=False, soft_wrap=True)

    @staticmethod
    def describe(progress: Progress) -> str:
        """Returns the progress in a few words."""
        if progress.paused:
            return f"paused: {progress.paused}"
        failed = f", {progress.failed} failed" if progress.failed else ""
        return f"{progress.done} answered{failed}, {progress.under_way} under way"
