"""What a person hands over for a batch: files, folders, ZIP archives and tables, to images and their questions.

Nothing that an archive or a table says becomes a path on the disk: files are numbered as they come.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from client.batch_plan import Refusal, shortened
from client.question_table import Question, is_table, read_table
from client.scene import display_name
from client.unpacking import Member, Room, unpack

MAX_FILES = 5000
"""Most images of one batch."""
MAX_UPLOADS = 10_000
"""Most files that are looked at, those beside images among them."""
MAX_TABLES = 20
SIDE_FILES = (".tfw", ".jgw", ".pgw", ".wld", ".prj", ".aux.xml", ".ovr", ".md", ".tfwx")
"""Endings of files that lie beside images and are none: passed over without a word."""


@dataclass(frozen=True)
class Upload:
    """A file that was handed over."""

    path: Path
    name: str
    """What the person calls it, with the folder where a folder was chosen: `site/harbour.tif`."""


@dataclass(frozen=True)
class InputImage:
    """A file that may be an image; only opening it tells."""

    path: Path
    name: str
    questions: tuple[str, ...] = ()
    """What tables ask about it."""


@dataclass
class Collected:
    """What was found, and what was left out."""

    images: list[InputImage] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def collect(uploads: list[Upload], inputs: Path) -> Collected:
    """Puts images into the directory `inputs`, numbered, and returns them with what tables ask about them.

    Never raises for what a file contains: what cannot be used is among the refusals.
    """
    return _Collection(inputs).take_all(uploads)


class _Collection:
    def __init__(self, inputs: Path) -> None:
        self._inputs = inputs
        self._room = Room.below(inputs)
        self._found: list[InputImage] = []
        self._tables: list[tuple[str, list[Question]]] = []
        self._refusals: list[Refusal] = []
        self._placed = 0

    def take_all(self, uploads: list[Upload]) -> Collected:
        different = list({_identity(upload): upload for upload in uploads}.values())
        for upload in different[:MAX_UPLOADS]:
            self._take(upload)
        if more := len(different[MAX_UPLOADS:]):
            self._refuse(f"{more:,} files", f"A batch takes up to {MAX_UPLOADS:,} files. Put them into another one.")
        questions = self._questions_by_image()
        images = [InputImage(each.path, each.name, tuple(questions[place])) for place, each in enumerate(self._found)]
        return Collected(images, self._refusals)

    def _take(self, upload: Upload) -> None:
        if _is_beside(upload.name):
            return
        if upload.name.lower().endswith(".zip"):
            members, refused = unpack(upload.path, self._next_path, self._room)
            self._refusals += [Refusal(name=_under(upload.name, one.name), reason=one.reason) for one in refused]
            for member in members:
                self._take_member(upload, member)
        elif is_table(upload.name):
            self._read_table(upload.path, upload.name)
        else:
            self._take_image(upload)

    def _take_member(self, upload: Upload, member: Member) -> None:
        if _is_beside(member.name):
            member.path.unlink()
        elif is_table(member.name):
            self._read_table(member.path, member.name)
            member.path.unlink()
        elif member.name.lower().endswith(".zip"):
            member.path.unlink()
            self._refuse(_under(upload.name, member.name), "A ZIP within a ZIP is not opened. Add it by itself.")
        else:
            self._add(member.path, member.name)

    def _take_image(self, upload: Upload) -> None:
        path = self._next_path(upload.name)
        try:
            os.link(upload.path, path)
        except OSError:
            size = upload.path.stat().st_size
            if size > self._room.bytes:
                self._refuse(upload.name, "There is no room for it. Start another batch for the rest.")
                return
            self._room.bytes -= size
            shutil.copyfile(upload.path, path)
        self._add(path, upload.name)

    def _add(self, path: Path, name: str) -> None:
        if len(self._found) >= MAX_FILES:
            path.unlink()
            self._refuse(name, f"A batch takes up to {MAX_FILES:,} images. Start another one for the rest.")
            return
        self._found.append(InputImage(path, name))

    def _read_table(self, path: Path, name: str) -> None:
        if len(self._tables) >= MAX_TABLES:
            self._refuse(name, f"A batch takes up to {MAX_TABLES} tables. Put the questions into fewer.")
            return
        questions, refused = read_table(path, name)
        self._refusals += refused
        self._tables.append((name, questions))

    def _next_path(self, name: str) -> Path:
        ending = re.sub(r"[^a-z0-9.]", "", PurePosixPath(name).suffix.lower())[:8]
        self._placed += 1
        return self._inputs / f"{self._placed:05d}{ending}"

    def _questions_by_image(self) -> defaultdict[int, list[str]]:
        asked: defaultdict[int, list[str]] = defaultdict(list)
        by_path, by_name = defaultdict(list), defaultdict(list)
        for place, image in enumerate(self._found):
            by_path[_plain(image.name)].append(place)
            by_name[PurePosixPath(_plain(image.name)).name].append(place)
        for table, questions in self._tables:
            unmatched: list[Refusal] = []
            for question in questions:
                wanted = _plain(question.image)
                places = by_path[wanted] or by_name[PurePosixPath(wanted).name]
                if len(places) != 1:
                    where = f"{display_name(table)}, row {question.row}"
                    unmatched.append(Refusal(name=where, reason=_not_one(question.image, len(places))))
                elif question.text:
                    asked[places[0]].append(question.text)
            self._refusals += shortened(unmatched)
        return asked

    def _refuse(self, name: str, reason: str) -> None:
        self._refusals.append(Refusal(name=name, reason=reason))


def _identity(upload: Upload) -> Path | Upload:
    # Equal images of two folders are one file on the disk; an archive or a table is read once whatever it is called.
    return upload.path if upload.name.lower().endswith(".zip") or is_table(upload.name) else upload


def _not_one(image: str, count: int) -> str:
    named = display_name(image)
    if count:
        return f"{count} images are called {named}. Give the path as it is in the folder or ZIP."
    return f"There is no image called {named} among the files. Add it, or correct the name."


def _plain(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/").strip())).lower()


def _under(archive: str, name: str) -> str:
    return f"{display_name(archive)}: {display_name(name)}" if name else display_name(archive)


def _is_beside(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in parts)
    return hidden or name.lower().endswith(SIDE_FILES) or (bool(parts) and parts[-1] in ("Thumbs.db", "desktop.ini"))
