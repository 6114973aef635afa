"""Ready code: every snippet is run for real and gets its answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.services import CAPTIONING, VQA
from client.snippets import SnippetKind, SnippetRequest, render_snippet
from tests.contract_server import ContractServer, answer_to

ROOT = Path(__file__).resolve().parent.parent.parent
SCENE = ROOT / "assets" / "scenes" / "yellowstone_meadow.jpg"
AWKWARD_PROMPT = """It's "how many" $HOME `ships`, \\n 100 % {{ of }} IMAGE-URL </script>
on two lines? 🛰"""
REQUEST = SnippetRequest(
    service=VQA, base_url="http://127.0.0.1:1", prompt=AWKWARD_PROMPT, max_tokens=99, temperature=0.25, image="a b.jpg"
)


def tool(name: str) -> str:
    """Returns the path of a program, of PATH or of the project's `node_modules`."""
    found = shutil.which(name) or shutil.which(name, path=str(ROOT / "node_modules" / ".bin"))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def run(folder: Path, *command: str) -> str:
    """Runs a program in a folder and returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MODAL_KEY": "key", "MODAL_SECRET": "hush"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode() + output.decode()
    return output.decode()


async def run_snippet(kind: SnippetKind, request: SnippetRequest, folder: Path) -> str:
    """Runs a snippet as its readers would, beside its image, and returns what it prints."""
    shutil.copy(SCENE, folder / request.image)
    file = folder / f"ask{Path(kind.value).suffix}"
    file.write_text(render_snippet(kind, request), encoding="utf-8")
    match kind:
        case SnippetKind.CURL:
            tool("curl")
            return await run(folder, tool("sh"), file.name)
        case SnippetKind.TYPESCRIPT:
            await compile_typescript(file)
            return await run(folder, tool("node"), "ask.js")
    return await run(folder, sys.executable, file.name)


def node_types() -> Path:
    """Returns where the types of Node are, beside the compiler."""
    return Path(tool("tsc")).resolve().parents[2] / "@types"


async def compile_typescript(file: Path) -> None:
    (file.parent / "package.json").write_text('{"type": "module"}')
    strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    await run(file.parent, tool("tsc"), *strict, "--types", "node", "--typeRoots", str(node_types()), file.name)


@pytest.mark.parametrize("extended", [False, True], ids=["bare contract", "extended"])
@pytest.mark.parametrize("kind", SnippetKind, ids=lambda kind: kind.value)
async def test_a_snippet_gets_the_answer(kind: SnippetKind, extended: bool, tmp_path: Path) -> None:
    async with ContractServer(0.05, extended=extended) as server:
        output = await run_snippet(kind, replace(REQUEST, base_url=server.url), tmp_path)
    if kind is SnippetKind.CURL:
        assert "chat.completion" in output or '"choices"' in output
    else:
        assert output.strip() == answer_to(AWKWARD_PROMPT)
    (job,) = server.jobs.values()
    assert job.prompt == AWKWARD_PROMPT
    assert job.body["model"] == VQA.model
    assert (job.body["max_tokens"], job.body["temperature"]) == (99, 0.25)
    assert job.image_url.startswith("data:image/")


@pytest.mark.parametrize("kind", SnippetKind, ids=lambda kind: kind.value)
async def test_a_snippet_takes_its_token_from_the_environment(kind: SnippetKind, tmp_path: Path) -> None:
    async with ContractServer(0.05, extended=True) as server:
        request = replace(REQUEST, base_url=server.url, needs_token=True)
        await run_snippet(kind, request, tmp_path)
    assert {headers.get("modal-secret") for headers in server.headers} == {"hush"}


@pytest.mark.parametrize("kind", [SnippetKind.HTTPX, SnippetKind.CURL], ids=lambda kind: kind.value)
async def test_the_image_is_sent_under_its_own_type(kind: SnippetKind, tmp_path: Path) -> None:
    async with ContractServer(extended=True) as server:
        await run_snippet(kind, replace(REQUEST, base_url=server.url), tmp_path)
    (job,) = server.jobs.values()
    assert job.image_url.startswith("data:image/jpeg;base64,/9j/")


@pytest.mark.parametrize("kind", SnippetKind, ids=lambda kind: kind.value)
def test_a_snippet_says_what_it_asks_whom(kind: SnippetKind) -> None:
    code = render_snippet(kind, replace(REQUEST, service=CAPTIONING, base_url="https://caption.test"))
    assert "https://caption.test" in code
    assert CAPTIONING.model in code or CAPTIONING.key in code
    assert kind.label
    assert kind.language in ("python", "typescript", "shell")
