"""What each command of the command line does."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from async_lru import alru_cache
from pydantic import BaseModel

from backend.contract import ChatRequest, Completion
from backend.services import ServiceSpec
from client.batch import Batch
from client.display import BatchDisplay, JobDisplay
from client.errors import InputError
from client.events import JobEvent
from client.imagery import SceneReader
from client.items import BatchItem, ItemResult, item_ids
from client.jobs import Job, JobClient, completion_of
from client.journal import Journal
from client.payload import Detail, Picture, chat_request
from client.wire import Credentials

SCENE_SUFFIXES = {
    *(".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".heic", ".heif", ".avif"),
    *(".img", ".vrt", ".nc", ".hdf", ".h5", ".dat", ".ntf"),
}
"""Files of a folder that a batch takes for scenes. A file that is named itself is taken whatever its name."""

KEPT_PICTURES = 4


@dataclass(frozen=True)
class Options:
    """What every command knows."""

    service: ServiceSpec
    url: str
    timeout_s: float
    credentials: Credentials | None
    detail: Detail
    max_tokens: int | None
    temperature: float | None
    as_json: bool

    def client(self) -> JobClient:
        """Returns a client of the service."""
        return JobClient(self.service, self.url, timeout_s=self.timeout_s, credentials=self.credentials)


class ResultLine(BaseModel):
    """One line of a batch's result file: `answer`, or `error`."""

    scene: str
    prompt: str
    call_id: str | None = None
    answer: str | None = None
    finish_reason: str | None = None
    error: str | None = None


async def ask(options: Options, parsed: argparse.Namespace) -> int:
    """Puts a prompt to a scene and prints the answer."""
    reader = SceneReader(workers=1)
    try:
        async with options.client() as client:
            pictures = Pictures(reader, options.detail)
            job = await client.submit(await _load(pictures, options, parsed.scene, parsed.prompt))
            _print_answer(await _watch(job), options)
    finally:
        await reader.close()
    return 0


async def status(options: Options, parsed: argparse.Namespace) -> int:
    """Prints what a job is doing, or its answer."""
    async with options.client() as client:
        event = await client.job(parsed.call_id).status()
    if event.is_final:
        _print_answer(completion_of(event), options)
    else:
        print(JobDisplay.describe(event))
    return 0


async def cancel(options: Options, parsed: argparse.Namespace) -> int:
    """Cancels a job."""
    async with options.client() as client:
        await client.job(parsed.call_id).cancel()
    print(f"Job {parsed.call_id} is cancelled, unless it had ended.", file=sys.stderr)
    return 0


async def batch(options: Options, parsed: argparse.Namespace) -> int:
    """Puts every prompt to every scene, writes the results as they come, and returns 1 when any is missing."""
    prompts = parsed.prompt or [options.service.default_prompt]
    reader = SceneReader()
    pictures = Pictures(reader, options.detail)
    items = [
        BatchItem(item_id, partial(_load, pictures, options, scene, prompt), label=str(scene), prompt=prompt)
        for (scene, prompt), item_id in _with_ids(await asyncio.to_thread(_scenes, parsed.scenes), prompts)
    ]
    journal_path = parsed.journal or parsed.out.with_name(f"{parsed.out.name}.journal")
    try:
        with Journal(journal_path, options.service.key) as journal, BatchDisplay(len(items)) as display:
            async with options.client() as client:
                running = Batch(
                    client, items, journal=journal, max_concurrent=parsed.concurrency, on_change=display.show
                )
                await _write_results(running, parsed.out)
    finally:
        await reader.close()
    return 0 if running.progress.done == len(items) else 1


class Pictures:
    """Draws scenes, and keeps the last few for the prompts that follow."""

    def __init__(self, reader: SceneReader, detail: Detail) -> None:
        self._reader = reader
        self._detail = detail
        self.of = alru_cache(maxsize=KEPT_PICTURES)(self._draw)

    async def _draw(self, path: Path) -> Picture:
        return await self._reader.picture(await self._reader.open(path), self._detail)


async def _load(pictures: Pictures, options: Options, path: Path, prompt: str) -> ChatRequest:
    return chat_request(
        options.service,
        prompt,
        await pictures.of(path),
        max_tokens=options.max_tokens,
        temperature=options.temperature,
    )


async def _watch(job: Job) -> Completion:
    with JobDisplay(job.call_id) as display:
        event: JobEvent | None = None
        async for event in job.events(live=True):
            display.show(event)
    assert event is not None
    return completion_of(event)


async def _write_results(running: Batch, path: Path) -> None:
    # Written anew: what an earlier process brought to its end comes first out of the journal.
    with _opened(path) as file:
        async for result in running.results():
            file.write(_result_line(result).model_dump_json(exclude_none=True) + "\n")
            file.flush()


def _result_line(result: ItemResult) -> ResultLine:
    return ResultLine(
        scene=result.item.label,
        prompt=result.item.prompt,
        call_id=result.call_id,
        answer=result.text,
        finish_reason=result.completion.finish_reason if result.completion else None,
        error=str(result.error) if result.error else None,
    )


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}. Choose another file.") from error


def _with_ids(scenes: list[Path], prompts: list[str]) -> list[tuple[tuple[Path, str], str]]:
    pairs = [(scene, prompt) for scene in scenes for prompt in prompts]
    return list(zip(pairs, item_ids((str(scene.absolute()), prompt) for scene, prompt in pairs), strict=True))


def _scenes(paths: list[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.rglob("*") if file.suffix.lower() in SCENE_SUFFIXES)
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"There is no file {path}. Check its name.")
    if not found:
        raise InputError("There are no images in this folder. Name the files themselves if they have unusual endings.")
    return found


def _print_answer(completion: Completion, options: Options) -> None:
    print(completion.model_dump_json(indent=2) if options.as_json else completion.text)
