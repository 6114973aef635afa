"""The house rules: which room may import which, and documents that must say what the code says."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from backend.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("backend", "client", "ui")
MAY_IMPORT = {
    "backend": ("backend",),
    "client": ("client", "backend.contract", "backend.services"),
    "ui": ("ui", "client", "backend.contract", "backend.services"),
}
FORBIDDEN = {"backend": ("gradio",), "client": ("gradio",), "ui": ("httpx", "PIL", "rasterio", "tenacity", "aiohttp")}


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names if node.module in ROOMS}
    return found - set(ROOMS)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_the_arrows_allow(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for module in sorted(imports_of(path))
        if (within(module, ROOMS) and not within(module, MAY_IMPORT[room])) or within(module, FORBIDDEN[room])
    ]
    assert wrong == []


def test_the_front_door_is_short() -> None:
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) < 80


def test_the_readme_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", readme, flags=re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, (int, float, bool)) and field.default is not None:
            assert f"`{field.default}`".lower() == rows[name.upper()].lower(), name


def test_every_path_that_the_readme_names_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:backend|client|ui|assets|tests)/[\w./-]*)`", readme):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "bench").glob("bench_*.py")), ids=lambda path: path.stem)
def test_every_benchmark_still_finds_what_it_imports(path: Path) -> None:
    importlib.import_module(f"tests.bench.{path.stem}")
