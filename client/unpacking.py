"""ZIP archives, unpacked within bounds: number of files, bytes written, and no word of theirs about where to write."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from client.batch_plan import Refusal
from client.scene import display_name

MAX_MEMBERS = 10_000
"""Most files in all archives of a batch."""
MAX_UNPACKED_BYTES = 8 * 1024**3
"""Most bytes that all archives of a batch may unpack to."""
MAX_RATIO = 100
"""Most that a member may grow when it is unpacked; images are hardly ever packed tighter than 20 to 1."""
RATIO_MATTERS_BYTES = 64 * 1024**2
"""Members up to this size may grow more: a small picture of nothing packs very well."""
SPARE_BYTES = 512 * 1024**2
"""What has to stay free on the disk."""
MAX_DIRECTORY_BYTES = 8 * 1024**2
"""Largest table of contents that is read into memory."""

_END = b"PK\x05\x06"
_END_LENGTH = 22
_MAX_COMMENT = 65_535
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_LENGTH = 20
_CHUNK = 1024 * 1024
_ENCRYPTED = 0x1


class _TooMuch(Exception):
    pass


class _Zip64(Exception):
    pass


@dataclass
class Room:
    """What a batch may still take in."""

    bytes: int
    files: int

    @classmethod
    def below(cls, folder: Path) -> Room:
        """Returns all that one batch may take, or what the folder's disk has free where that is less."""
        free = max(0, shutil.disk_usage(folder).free - SPARE_BYTES)
        return cls(min(MAX_UNPACKED_BYTES, free), MAX_MEMBERS)


@dataclass(frozen=True)
class Member:
    """A file that was unpacked."""

    path: Path
    name: str
    """What the archive calls it: to be shown and compared, never to be opened."""


def unpack(archive: Path, place: Callable[[str], Path], room: Room) -> tuple[list[Member], list[Refusal]]:
    """Unpacks an archive's files and returns them, and those left out with the reasons.

    A refusal without a name is about the whole archive.

    Args:
        place: returns a new path for a member of this name.
        room: what may still be written; becomes less by what is.
    """
    try:
        if _directory_bytes(archive) > MAX_DIRECTORY_BYTES:
            return [], [_about_all("It holds too many files. Pack fewer into one ZIP.")]
        with zipfile.ZipFile(archive) as opened:
            return _unpack_all(opened, place, room)
    except _Zip64:
        return [], [_about_all("It is a ZIP64 archive, which is not opened. Pack less than 4 GB into one ZIP.")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return [], [_about_all("It is no ZIP archive that can be read. Pack it anew.")]


def _unpack_all(
    opened: zipfile.ZipFile, place: Callable[[str], Path], room: Room
) -> tuple[list[Member], list[Refusal]]:
    members: list[Member] = []
    refusals: list[Refusal] = []
    entries = [entry for entry in opened.infolist() if not entry.is_dir()]
    if len(entries) > room.files:
        return [], [_about_all(f"It holds {len(entries):,} files; up to {MAX_MEMBERS:,} are unpacked for one batch.")]
    room.files -= len(entries)
    for entry in entries:
        if reason := _objection(entry):
            refusals.append(Refusal(name=display_name(entry.filename), reason=reason))
            continue
        path = place(entry.filename)
        try:
            _write(opened, entry, path, room)
            members.append(Member(path, entry.filename))
        except _TooMuch:
            path.unlink(missing_ok=True)
            refusals.append(_about_all("It unpacks to more than fits here. What came before is used."))
            break
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
            path.unlink(missing_ok=True)
            refusals.append(Refusal(name=display_name(entry.filename), reason="It is damaged within the ZIP."))
        except Exception:
            # Decompressors have errors of their own (zlib.error, LZMAError) without a common ancestor.
            path.unlink(missing_ok=True)
            refusals.append(Refusal(name=display_name(entry.filename), reason="It cannot be unpacked."))
    return members, refusals


def _objection(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _ENCRYPTED:
        return "It is locked with a password. Pack it without one."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "It is a link, not a file."
    packed = max(entry.compress_size, 1)
    if entry.file_size > RATIO_MATTERS_BYTES and entry.file_size > MAX_RATIO * packed:
        return f"It would unpack to {entry.file_size // packed:,} times its size, which no image does."
    return ""


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, room: Room) -> None:
    """Writes a member. Its bytes are counted as they come, not as the archive says, and also when it is thrown away."""
    with opened.open(entry) as packed, path.open("xb") as out:
        while chunk := packed.read(_CHUNK):
            if len(chunk) > room.bytes:
                raise _TooMuch
            room.bytes -= len(chunk)
            out.write(chunk)


def _directory_bytes(archive: Path) -> int:
    """Returns the size of the table of contents by the archive's last record, which is as much as is read of it."""
    with archive.open("rb") as file:
        tail = _tail(file)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_LENGTH:
        raise zipfile.BadZipFile
    if tail[:at][-_ZIP64_LOCATOR_LENGTH:].startswith(_ZIP64_LOCATOR):
        # It names another table of contents, of any size, which would be read in place of this one.
        raise _Zip64
    return int.from_bytes(tail[at + 12 : at + 16], "little")


def _tail(file: IO[bytes]) -> bytes:
    length = file.seek(0, 2)
    file.seek(max(0, length - _ZIP64_LOCATOR_LENGTH - _END_LENGTH - _MAX_COMMENT))
    return file.read()


def _about_all(reason: str) -> Refusal:
    return Refusal(name="", reason=reason)
