"""What people hand over for a batch: files, ZIP archives, tables; and what hostile ones make of it."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from client import question_table, unpacking
from client.batch_input import Collected, Upload, collect
from client.batch_plan import MAX_REFUSALS, BatchSettings
from client.payload import MAX_PROMPT_CHARACTERS
from client.question_table import read_table


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    folder.mkdir()
    return folder


def written(folder: Path, name: str, content: bytes | str = b"picture") -> Upload:
    path = folder / f"upload-{len(list(folder.iterdir()))}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Upload(path, name)


def zipped(folder: Path, members: dict[str, bytes], **options: int) -> Upload:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", options.get("compression", zipfile.ZIP_DEFLATED)) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written(folder, "scenes.zip", out.getvalue())


def reasons(found: Collected) -> dict[str, str]:
    return {one.name: one.reason for one in found.refusals}


def test_files_and_those_of_a_zip_become_images_and_side_files_are_passed_over(tmp_path: Path, inputs: Path) -> None:
    uploads = [
        written(tmp_path, "site/harbour.tif"),
        written(tmp_path, "site/harbour.tfw"),
        written(tmp_path, ".DS_Store"),
        zipped(tmp_path, {"a/b.png": b"b", "__MACOSX/a/b.png": b"x", "c.jpg": b"c", "empty/": b""}),
    ]
    found = collect(uploads, inputs)
    assert [image.name for image in found.images] == ["site/harbour.tif", "a/b.png", "c.jpg"]
    assert [image.path.read_bytes() for image in found.images] == [b"picture", b"b", b"c"]
    assert found.refusals == []


def test_a_table_asks_its_own_questions_and_says_which_rows_it_cannot_use(tmp_path: Path, inputs: Path) -> None:
    table = "image,question\nharbour.tif,Wie viele Schiffe?\nharbour.tif,Is there a crane?\nghost.tif,Where?\n,What?\n"
    uploads = [written(tmp_path, "site/harbour.tif"), written(tmp_path, "other.tif"), written(tmp_path, "q.csv", table)]
    found = collect(uploads, inputs)
    assert [image.questions for image in found.images] == [("Wie viele Schiffe?", "Is there a crane?"), ()]
    assert reasons(found).keys() == {"q.csv, row 4", "q.csv, row 5"}
    assert "no image called ghost.tif" in reasons(found)["q.csv, row 4"]


def test_a_table_within_a_zip_finds_its_images_by_their_path(tmp_path: Path, inputs: Path) -> None:
    lines = [{"image": "a/x.png", "question": "One?"}, {"image": "b/x.png", "prompt": "Two?"}, {"image": "x.png"}]
    table = "\n".join(json.dumps(line) for line in lines) + "\nnot json\n"
    found = collect([zipped(tmp_path, {"q.jsonl": table.encode(), "a/x.png": b"1", "b/x.png": b"2"})], inputs)
    assert [image.questions for image in found.images] == [("One?",), ("Two?",)]
    assert "2 images are called x.png" in reasons(found)["q.jsonl, row 3"]
    assert "names no image" in reasons(found)["q.jsonl, row 4"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfei\x00m\x00a\x00g\x00e\x00", "UTF-8"),
        (b'image,question\n"' + b"x" * 200_000 + b'",y\n', "damaged"),
        (b"", None),
        (b"[1, 2]\nimage", "names no image"),
    ],
)
def test_a_table_that_is_none_is_refused_and_the_rest_goes_on(
    tmp_path: Path, inputs: Path, content: bytes, reason: str | None
) -> None:
    found = collect([written(tmp_path, "q.csv", content), written(tmp_path, "a.png")], inputs)
    assert [image.name for image in found.images] == ["a.png"]
    assert [reason in one.reason for one in found.refusals if reason] == [True] * (reason is not None)


def test_no_name_within_a_zip_is_a_path_on_the_disk(tmp_path: Path, inputs: Path) -> None:
    names = [
        "../../escape.png",
        "/etc/escape.png",
        "C:\\escape.png",
        "a/../../escape.png",
        "x" * 300 + ".png",
        "a\0b.png",
    ]
    found = collect([zipped(tmp_path, dict.fromkeys(names, b"x"))], inputs)
    assert len(found.images) == len(names)
    assert all(image.path.parent == inputs for image in found.images)
    assert {path.name for path in tmp_path.iterdir()} == {"inputs", "upload-1"}


def test_a_link_within_a_zip_is_not_followed(tmp_path: Path, inputs: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    found = collect([written(tmp_path, "l.zip", out.getvalue())], inputs)
    assert found.images == []
    assert "is a link" in reasons(found)["l.zip: link.png"]


def test_a_member_that_grows_too_much_is_left_out_before_it_is_unpacked(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "RATIO_MATTERS_BYTES", 1000)
    found = collect([zipped(tmp_path, {"bomb.png": bytes(5_000_000), "small.png": b"s"})], inputs)
    assert [image.name for image in found.images] == ["small.png"]
    assert "times its size" in reasons(found)["scenes.zip: bomb.png"]


def test_an_archive_that_unpacks_to_too_much_stops_there(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 2500)
    found = collect([zipped(tmp_path, {f"{n}.png": bytes(1000) for n in range(6)})], inputs)
    assert [image.name for image in found.images] == ["0.png", "1.png"]
    assert "more than fits" in reasons(found)["scenes.zip"]
    assert sum(path.stat().st_size for path in inputs.iterdir()) <= 2500


def test_a_member_that_is_larger_than_it_says_cannot_fill_the_disk(tmp_path: Path, inputs: Path) -> None:
    upload = zipped(tmp_path, {"liar.png": bytes(100_000)})
    raw = upload.path.read_bytes()
    upload.path.write_bytes(raw.replace(struct.pack("<I", 100_000), struct.pack("<I", 10)))
    found = collect([upload], inputs)
    assert found.images == []
    assert reasons(found).keys() == {"scenes.zip: liar.png"}
    assert sum(path.stat().st_size for path in inputs.iterdir()) == 0


def test_a_table_of_contents_without_end_is_not_read(tmp_path: Path, inputs: Path) -> None:
    upload = zipped(tmp_path, {"a.png": b"a"})
    raw = bytearray(upload.path.read_bytes())
    end = raw.rindex(b"PK\x05\x06")
    raw[end + 12 : end + 16] = struct.pack("<I", 0xFFFFFFF0)
    upload.path.write_bytes(bytes(raw))
    found = collect([upload], inputs)
    assert "too many files" in reasons(found)["scenes.zip"]


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all" * 10, b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_is_said_to_be_none_or_holds_nothing(tmp_path: Path, inputs: Path, content: bytes) -> None:
    found = collect([written(tmp_path, "broken.zip", content), written(tmp_path, "a.png")], inputs)
    assert [image.name for image in found.images] == ["a.png"]


def test_a_zip_within_a_zip_is_not_opened(tmp_path: Path, inputs: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.png", b"a")
    found = collect([zipped(tmp_path, {"inner.zip": inner.getvalue()})], inputs)
    assert found.images == []
    assert "ZIP within a ZIP" in reasons(found)["scenes.zip: inner.zip"]


def test_a_second_table_of_contents_is_not_followed(tmp_path: Path, inputs: Path) -> None:
    upload = zipped(tmp_path, {"a.png": b"a"})
    raw = upload.path.read_bytes()
    end = raw.rindex(b"PK\x05\x06")
    at = len(raw[:end])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    upload.path.write_bytes(raw[:end] + record + locator + raw[end:])
    found = collect([upload], inputs)
    assert found.images == []
    assert "ZIP64" in reasons(found)["scenes.zip"]


def test_all_archives_of_a_batch_share_one_room(tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 2500)
    archives = [zipped(tmp_path, {f"{n}.png": bytes(1000)}) for n in range(4)]
    found = collect(archives, inputs)
    assert [image.name for image in found.images] == ["0.png", "1.png"]
    assert sum(path.stat().st_size for path in inputs.iterdir()) <= 2500


def test_all_archives_of_a_batch_hold_so_many_files_together(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 3)
    archives = [zipped(tmp_path, {f"{n}{m}.png": b"x" for m in "ab"}) for n in range(2)]
    found = collect(archives, inputs)
    assert [image.name for image in found.images] == ["0a.png", "0b.png"]
    assert "up to 3" in reasons(found)["scenes.zip"]


def test_an_archive_that_is_handed_over_twice_is_opened_once(tmp_path: Path, inputs: Path) -> None:
    upload = zipped(tmp_path, {"a.png": b"a"})
    found = collect([upload, upload, Upload(upload.path, "copy.zip")], inputs)
    assert [image.name for image in found.images] == ["a.png"]


def test_more_files_than_a_batch_takes_are_counted_and_not_looked_at(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.batch_input.MAX_UPLOADS", 2)
    found = collect([written(tmp_path, f"{n}.png") for n in range(5)], inputs)
    assert [image.name for image in found.images] == ["0.png", "1.png"]
    assert reasons(found).keys() == {"3 files"}


def test_more_tables_than_a_batch_takes_are_not_read(
    tmp_path: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.batch_input.MAX_TABLES", 1)
    tables = [written(tmp_path, f"{n}.csv", f"image,question\na.png,Question {n}\n") for n in range(2)]
    found = collect([written(tmp_path, "a.png"), *tables], inputs)
    assert [image.questions for image in found.images] == [("Question 0",)]
    assert "up to 1 tables" in reasons(found)["1.csv"]


def test_rows_that_cannot_be_used_count_as_rows_and_are_told_up_to_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_table, "MAX_ROWS", 300)
    table = written(tmp_path, "q.csv", "image,question\n" + ",x\n" * 400 + "a.png,x\n")
    questions, refusals = read_table(table.path, table.name)
    assert questions == []
    assert len(refusals) == MAX_REFUSALS + 1
    assert "Rows after the first" in refusals[0].reason
    assert refusals[-1].name == "and 101 more"


def test_a_table_with_columns_without_end_is_refused(tmp_path: Path) -> None:
    table = written(tmp_path, "q.csv", "image,question" + ",x" * 5000 + "\na.png,What?\n")
    questions, refusals = read_table(table.path, table.name)
    assert questions == []
    assert "columns" in refusals[0].reason


def test_a_prompt_without_end_is_no_setting_of_a_batch() -> None:
    assert BatchSettings(service="vqa", prompts=["x" * MAX_PROMPT_CHARACTERS])
    with pytest.raises(ValidationError, match="at most 8000 characters"):
        BatchSettings(service="vqa", prompts=["x" * (MAX_PROMPT_CHARACTERS + 1)])
