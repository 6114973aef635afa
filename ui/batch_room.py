"""What the page's script may ask of the batches: how they stand, what changed, steer them, and take results away.

Every answer is JSON; `error` in it is a sentence for the person.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from gradio.processing_utils import save_bytes_to_cache
from pydantic import BaseModel, Field, ValidationError

from client.batch_desk import BatchDesk, BatchGone
from client.batch_run import BatchRun
from client.box_pictures import write_box_pictures
from client.errors import InputError, NadirError
from client.exports import WRITERS
from client.imagery import SceneReader
from ui.components.batch import Json, changed_row, fixed_rows, left_out, row_record, summary

MAX_IDS = 200
NOT_UNDERSTOOD = "The page is older than the server. Reload it."
PICTURES = "boxes.zip"


class _About(BaseModel):
    id: str = Field(max_length=100)


class _Since(_About):
    since: int = Field(ge=0)


class _Wish(_About):
    action: Literal["begin", "pause", "resume", "cancel", "retry", "remove"]
    jobs: list[str] | None = Field(default=None, max_length=10_000)


class _Export(_About):
    kind: str = Field(max_length=20)


class _OneRow(_About):
    job: str = Field(max_length=100)


class _OneScene(_About):
    scene: int = Field(ge=0)


class _Known(BaseModel):
    ids: list[str] = Field(max_length=MAX_IDS)


class BatchRoom:
    """Answers the script of the Batch page."""

    def __init__(self, desk: BatchDesk, reader: SceneReader, uploads: Path) -> None:
        self.desk = desk
        self._reader = reader
        self.uploads = uploads
        self._thumbnails: dict[str, list[str]] = {}
        self._exports: defaultdict[str, list[Path]] = defaultdict(list)
        """Folders of what was taken away from each batch."""
        self._scenes: dict[str, Path] = {}
        """Folder of each batch's scenes that Caption and Ask were given."""

    @property
    def answers(self) -> list[Callable[[Any], Awaitable[Json]]]:
        """What the script can call, under the names that it calls."""
        return [
            _answer("batch_list", _Known, self._list),
            _answer("batch_rows", _Since, self._rows),
            _answer("batch_do", _Wish, self._do),
            _answer("batch_export", _Export, self._export),
            _answer("batch_open", _OneRow, self._open),
            _answer("batch_scene", _OneScene, self._scene),
        ]

    async def _list(self, wish: _Known) -> Json:
        found = []
        for batch_id in wish.ids:
            try:
                run = self.desk.find(batch_id)
            except BatchGone:
                continue
            found.append(summary(run))
        return {"batches": sorted(found, key=lambda one: -one["created_at"])}

    async def _rows(self, wish: _Since) -> Json:
        run, now = self.desk.find(wish.id), time.time()
        run.look()
        # A version from before a restart is unknown here: everything is told anew.
        fresh = wish.since == 0 or wish.since > run.rows.version
        changed = run.rows.changed_since(0 if fresh else wish.since)
        told = {"version": run.rows.version, "summary": summary(run), "changed": [changed_row(r, now) for r in changed]}
        if wish.since == 0:
            told["fixed"] = left_out(run.plan) | fixed_rows(run.plan, await self._thumbnail_urls(run))
        return told

    async def _do(self, wish: _Wish) -> Json:
        run = self.desk.find(wish.id)
        match wish.action:
            case "begin":
                run.begin()
            case "pause":
                run.pause()
            case "resume":
                run.resume()
            case "cancel":
                await run.cancel(wish.jobs)
            case "retry":
                run.retry(wish.jobs)
            case "remove":
                await self.desk.remove(wish.id)
                await asyncio.to_thread(self._forget, wish.id)
                return {}
        return {"summary": summary(run)}

    async def _export(self, wish: _Export) -> Json:
        run = self.desk.find(wish.id)
        if wish.kind != PICTURES and wish.kind not in WRITERS:
            raise InputError(NOT_UNDERSTOOD)
        name = f"nadir-{time.strftime('%Y%m%d-%H%M', time.gmtime(run.plan.created_at))}"
        folder = self._new_folder()
        self._exports[wish.id].append(folder)
        path = folder / f"{name}{'-' if wish.kind == PICTURES else '.'}{wish.kind}"
        if wish.kind == PICTURES:
            await write_box_pictures(run.plan, run.rows.rows, self._reader, path)
        else:
            await asyncio.to_thread(WRITERS[wish.kind], run.plan, run.rows.rows, path)
        return {"url": f"gradio_api/file={path}", "name": path.name}

    async def _open(self, wish: _OneRow) -> Json:
        run = self.desk.find(wish.id)
        if wish.job not in run.rows:
            raise InputError(NOT_UNDERSTOOD)
        row = run.rows[wish.job]
        planned = run.plan.scenes[row.job.scene]
        shared = await asyncio.to_thread(self._share, run.store.inputs / planned.file, wish.id)
        return {"record": row_record(run, row, str(shared))}

    async def _scene(self, wish: _OneScene) -> Json:
        run = self.desk.find(wish.id)
        if wish.scene >= len(run.plan.scenes):
            raise InputError(NOT_UNDERSTOOD)
        preview = await self._reader.preview(run.plan.scenes[wish.scene].scene)
        return {"url": await asyncio.to_thread(self._keep, preview.data)}

    async def _thumbnail_urls(self, run: BatchRun) -> list[str]:
        if run.plan.id not in self._thumbnails:
            self._thumbnails[run.plan.id] = await asyncio.to_thread(self._share_thumbnails, run)
        return self._thumbnails[run.plan.id]

    def _share_thumbnails(self, run: BatchRun) -> list[str]:
        paths = [run.store.thumbnails / f"{Path(each.file).stem}.webp" for each in run.plan.scenes]
        return [self._keep(path.read_bytes()) if path.exists() else "" for path in paths]

    def _keep(self, picture: bytes) -> str:
        return f"gradio_api/file={save_bytes_to_cache(picture, 'picture.webp', cache_dir=str(self.uploads))}"

    def _new_folder(self) -> Path:
        # Addresses are passed on, and whoever knows a batch's id may steer it.
        folder = self.uploads / secrets.token_hex(16)
        folder.mkdir()
        return folder

    def _forget(self, batch_id: str) -> None:
        """Deletes what was taken away; scenes stay for the jobs of Caption and Ask that show them."""
        self._thumbnails.pop(batch_id, None)
        self._scenes.pop(batch_id, None)
        for folder in self._exports.pop(batch_id, []):
            shutil.rmtree(folder, ignore_errors=True)

    def _share(self, path: Path, batch_id: str) -> Path:
        """Puts a scene among the uploads, where Caption and Ask look for it."""
        folder = self._scenes.get(batch_id)
        if folder is None or not folder.exists():
            folder = self._scenes[batch_id] = self._new_folder()
        target = folder / path.name
        if not target.exists():
            try:
                os.link(path, target)
            except FileNotFoundError:
                raise InputError("The scene is not on the server any more.") from None
            except OSError:
                shutil.copyfile(path, target)
        return target


def _answer(
    name: str, wish: type[BaseModel], ask: Callable[[Any], Awaitable[Json]]
) -> Callable[[Any], Awaitable[Json]]:
    async def answer(data: Any = None) -> Json:
        try:
            return await ask(wish.model_validate(data))
        except ValidationError:
            return {"error": NOT_UNDERSTOOD}
        except BatchGone as error:
            return {"error": str(error), "gone": True}
        except NadirError as error:
            return {"error": str(error)}

    answer.__name__ = name
    return answer
