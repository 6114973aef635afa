"""Ready code: every snippet is run for real and gets its answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import encode_data_url
from backend.services import CAPTIONING, VQA
from client.imagery import SceneReader
from client.payload import Detail
from client.scene import Rendering, Stretch, Stretching, Window
from client.snippets import SnippetKind, SnippetRequest, render_snippet
from tests.contract_server import ContractServer, answer_to

ROOT = Path(__file__).resolve().parent.parent.parent
SCENE = ROOT / "assets" / "scenes" / "yellowstone_meadow.jpg"
SEVEN_BANDS = ROOT / "assets" / "scenes" / "great_salt_lake_landsat7_7band.tif"
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


async def run_snippet(kind: SnippetKind, request: SnippetRequest, folder: Path, scene: Path = SCENE) -> str:
    """Runs a snippet as its readers would, beside its image, and returns what it prints."""
    shutil.copy(scene, folder / (request.image if kind is SnippetKind.NADIR else request.plain_image))
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


@pytest.mark.parametrize(
    "chosen_request",
    [
        replace(REQUEST, rendering=Rendering((4, 3, 2), Stretch(Stretching.MINMAX))),
        replace(REQUEST, rendering=Rendering(stretch=Stretch(Stretching.NONE)), detail=Detail.FAST),
        replace(REQUEST, window=Window(40, 30, 200, 100), enlarge=True),
    ],
    ids=["bands and stretch", "stretch and detail", "area and enlarge"],
)
async def test_code_with_the_client_sends_the_picture_of_the_page(
    chosen_request: SnippetRequest, tmp_path: Path
) -> None:
    asked = replace(chosen_request, image="lake.tif")
    reader = SceneReader(workers=1)
    scene = await reader.open(SEVEN_BANDS, rendering=asked.rendering)
    picture = await reader.picture(scene, asked.detail, window=asked.window, enlarge=asked.enlarge)
    await reader.close()
    async with ContractServer(extended=True) as server:
        await run_snippet(SnippetKind.NADIR, replace(asked, base_url=server.url), tmp_path, SEVEN_BANDS)
    (job,) = server.jobs.values()
    assert job.image_url == encode_data_url(picture.data, picture.mime)


@pytest.mark.parametrize("kind", [SnippetKind.HTTPX, SnippetKind.CURL], ids=lambda kind: kind.value)
async def test_code_without_the_client_sends_the_picture_that_was_saved(kind: SnippetKind, tmp_path: Path) -> None:
    asked = replace(REQUEST, image="lake.tif", picture="picture.jpg")
    async with ContractServer(extended=True) as server:
        await run_snippet(kind, replace(asked, base_url=server.url), tmp_path)
    (job,) = server.jobs.values()
    assert job.image_url == encode_data_url(SCENE.read_bytes(), "image/jpeg")


@pytest.mark.parametrize(
    ("asked", "sends_picture"),
    [
        (REQUEST, False),
        (replace(REQUEST, image="SCENE.PNG"), False),
        (replace(REQUEST, image="scene.jp2"), True),
        (replace(REQUEST, window=Window(0, 0, 8, 8)), True),
        (replace(REQUEST, rendering=Rendering((1, 1, 1))), True),
        (replace(REQUEST, enlarge=True), True),
    ],
)
def test_a_file_is_sent_as_it_is_only_where_that_is_what_the_page_sends(
    asked: SnippetRequest, sends_picture: bool
) -> None:
    assert asked.sends_picture is sends_picture
