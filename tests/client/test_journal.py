"""The journal of a batch: what survives a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.contract import Completion
from client.errors import InputError
from client.journal import Entry, Journal
from tests.client.scripted_service import completed

COMPLETION = Completion.model_validate_json(completed("A harbor.").content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "batch.jsonl"


def write(path: Path, *entries: Entry) -> None:
    with Journal(path, "vqa") as journal:
        for entry in entries:
            journal.write(entry)


def test_what_was_written_is_known_to_the_next_process(path: Path) -> None:
    write(path, Entry(item="a", key="k1"), Entry(item="a", call_id="fc-1"), Entry(item="b", key="k2"))
    write(path, Entry(item="a", completion=COMPLETION))
    with Journal(path, "vqa") as journal:
        assert journal.trace("a").call_id == "fc-1"
        assert journal.trace("a").completion == COMPLETION
        assert journal.trace("a").is_over
        assert journal.trace("b").key == "k2"
        assert not journal.trace("b").is_over
        assert journal.trace("c").key is None


def test_a_new_submission_forgets_the_job_of_the_old_one(path: Path) -> None:
    write(path, Entry(item="a", key="k1"), Entry(item="a", call_id="fc-1"), Entry(item="a", key="k2"))
    with Journal(path, "vqa") as journal:
        assert journal.trace("a").key == "k2"
        assert journal.trace("a").call_id is None


@pytest.mark.parametrize("lost_bytes", [1, 5, 20])
def test_a_line_that_the_crash_cut_off_is_dropped_and_written_over(path: Path, lost_bytes: int) -> None:
    write(path, Entry(item="a", key="k1"), Entry(item="a", call_id="fc-é"))
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    write(path, Entry(item="b", key="k2"))
    with Journal(path, "vqa") as journal:
        assert journal.trace("a").key == "k1"
        assert journal.trace("a").call_id is None
        assert journal.trace("b").key == "k2"


def test_a_journal_that_was_cut_off_in_its_first_line_begins_anew(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:7])
    write(path, Entry(item="a", key="k1"))
    with Journal(path, "vqa") as journal:
        assert journal.trace("a").key == "k1"


@pytest.mark.parametrize("content", [b"hello", b"hello\n", b"\x89PNG\r\n\x1a\n", b'{"nadir_batch": 2}\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match="not the journal"):
        Journal(path, "vqa")
    assert path.read_bytes() == content


def test_the_journal_of_another_service_is_refused(path: Path) -> None:
    write(path)
    with pytest.raises(InputError, match="vqa batch"):
        Journal(path, "captioning")


def test_a_journal_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Journal(tmp_path / "no" / "such" / "folder", "vqa")
