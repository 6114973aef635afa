"""The command line, run as a program: answers, progress, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract_server import ContractServer, answer_to

ROOT = Path(__file__).resolve().parent.parent.parent
SCENES = ROOT / "assets" / "scenes"
SCENE = str(SCENES / "yellowstone_meadow.jpg")


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    code: int
    output: str
    errors: str


async def nadir(*words: object, **variables: str) -> Ended:
    """Runs the command line in a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", *map(str, words)),
        cwd=ROOT,
        env=os.environ | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ended(process.returncode, output.decode(), errors.decode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two scenes, and a file that is none."""
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for name in ("yellowstone_meadow.jpg", "salt_lake_ponds.jpg"):
        shutil.copy(SCENES / name, scenes)
    (scenes / "notes.txt").write_text("no scene")
    return scenes


async def test_a_caption_goes_to_standard_output_and_progress_to_the_other() -> None:
    async with ContractServer(0.1, extended=True) as server:
        ended = await nadir("caption", SCENE, CAPTION_BASE_URL=server.url)
    assert (ended.code, ended.output.strip()) == (0, answer_to("Describe this satellite image in detail."))
    assert "Job fc-000001" in ended.errors
    assert "\x1b" not in ended.errors


async def test_a_question_carries_its_settings() -> None:
    async with ContractServer(extended=True) as server:
        words = ("ask", SCENE, "How many ships?", "--max-tokens", 7, "--temperature", 0.5, "--json")
        ended = await nadir(*words, "--url", server.url)
    assert json.loads(ended.output)["choices"][0]["message"]["content"] == answer_to("How many ships?")
    (job,) = server.jobs.values()
    assert (job.body["max_tokens"], job.body["temperature"]) == (7, 0.5)


async def test_a_batch_puts_every_prompt_to_every_scene_and_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    async with ContractServer(0.05) as server:
        words = ("batch", folder, "--prompt", "a", "--prompt", "b", "--out", out, "--url", server.url)
        first, again = await nadir(*words), await nadir(*words)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert (first.code, again.code) == (0, 0)
    assert sorted((Path(line["scene"]).name, line["answer"]) for line in lines) == sorted(
        (name, answer_to(prompt)) for name in ("yellowstone_meadow.jpg", "salt_lake_ponds.jpg") for prompt in "ab"
    )
    assert len(server.jobs) == 4
    assert "4/4 4 answered" in first.errors


async def test_a_batch_with_a_broken_scene_answers_the_others_and_says_so_in_its_exit_code(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG broken")
    out = tmp_path / "results.jsonl"
    async with ContractServer() as server:
        ended = await nadir("batch", folder, "--out", out, "--url", server.url)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert ended.code == 1
    assert sorted(Path(line["scene"]).name for line in lines if "error" in line) == ["broken.png"]
    assert sum("answer" in line for line in lines) == 2


async def test_status_and_cancel_work_on_a_job_by_its_id() -> None:
    async with ContractServer(60.0, extended=True) as server:
        await nadir("ask", SCENE, "q", "--url", server.url, "--timeout", "0.2")
        running = await nadir("status", "fc-000001", "--url", server.url)
        cancelled = await nadir("cancel", "fc-000001", "--url", server.url)
        gone = await nadir("status", "fc-000001", "--url", server.url)
    assert (running.code, running.output.strip()) == (0, "running")
    assert cancelled.code == 0
    assert gone.code == 5
    assert "cancelled" in gone.errors


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("caption", "no-such-file.tif"), 2, "not there"),
        (("caption", str(SCENES / "SCENES.md")), 2, "What can be read"),
        (("batch", "no-such-folder", "--out", "x.jsonl"), 2, "no file"),
        (("status", "fc-1", "--url", "nonsense"), 2, "not an address"),
        (("status", "fc-1", "--url", "http://127.0.0.1:1", "--timeout", "1"), 3, "Nothing answers"),
        (("sing",), 2, "invalid choice"),
    ],
)
async def test_each_kind_of_failure_has_its_exit_code(words: tuple[str, ...], code: int, said: str) -> None:
    ended = await nadir(*words)
    assert ended.code == code
    assert said in ended.errors
    assert "Traceback" not in ended.errors


async def test_a_wait_that_takes_too_long_has_its_exit_code_and_names_the_job() -> None:
    async with ContractServer(60.0) as server:
        ended = await nadir("ask", SCENE, "q", "--url", server.url, "--timeout", "0.5")
    assert ended.code == 6
    assert "fc-000001" in ended.errors
