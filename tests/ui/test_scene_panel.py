from __future__ import annotations

from pathlib import Path

import pytest

from client.scene import Stretching
from ui.components.bands import BandControls
from ui.components.scene import (
    Fact,
    SceneView,
    format_coordinates,
    format_gsd,
    ready_value,
    refused_value,
    resolve_upload,
)
from ui.fragments import format_bytes, format_seconds
from ui.record import RecordedScene, read_record


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    (tmp_path / "uploads" / "a").mkdir(parents=True)
    (tmp_path / "uploads" / "a" / "scene.tif").write_bytes(b"x")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "uploads"


def test_an_upload_is_found_by_the_path_that_the_server_gave(uploads: Path) -> None:
    path = uploads / "a" / "scene.tif"
    assert resolve_upload(str(path), uploads) == path.resolve()


@pytest.mark.parametrize("name", ["../secret.txt", "a/../../secret.txt", "a", "", "none.tif", "\0", "x" * 5000])
def test_no_path_leads_out_of_the_uploads(uploads: Path, name: str) -> None:
    assert resolve_upload(f"{uploads}/{name}", uploads) is None


def test_no_link_leads_out_of_the_uploads(uploads: Path) -> None:
    (uploads / "link").symlink_to(uploads.parent / "secret.txt")
    assert resolve_upload(str(uploads / "link"), uploads) is None


def test_names_and_decisions_are_data() -> None:
    nasty = "<img src=x onerror=alert(1)>"
    controls = BandControls(nasty, (), ((1, nasty),), (1, 1, 1), Stretching.AUTOMATIC)
    view = SceneView(
        name=nasty,
        file=nasty,
        preview_url="gradio_api/file=x.webp",
        width=10,
        height=10,
        scene_width=10,
        scene_height=10,
        alt=nasty,
        facts=(Fact(nasty, nasty),),
        decisions=(nasty,),
        notes=((nasty, nasty),),
        controls=controls,
        trouble=nasty,
        attribution=nasty,
    )
    assert "<img src=x" not in ready_value(view, RecordedScene(upload="x"))["html"]
    assert "<img src=x" not in refused_value(nasty)["html"]


@pytest.mark.parametrize(("metres", "text"), [(0.1, "10 cm"), (30, "30 m"), (2100, "2.1 km")])
def test_ground_resolution_is_said_in_the_unit_that_fits(metres: float, text: str) -> None:
    assert format_gsd(metres) == text


def test_coordinates_carry_their_hemispheres() -> None:
    assert format_coordinates(-54.6129, -25.4568) == "25.4568° S 54.6129° W"
    assert format_coordinates(31.2, 30.1) == "30.1000° N 31.2000° E"


def test_coordinates_beyond_the_date_line_are_those_on_the_other_side() -> None:
    assert format_coordinates(181.5, 10) == "10.0000° N 178.5000° W"


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (185, "3 min 05 s")])
def test_durations(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (166_000, "166 kB"), (3_400_000, "3.4 MB"), (4e9, "4.0 GB")])
def test_sizes(count: int, text: str) -> None:
    assert format_bytes(int(count)) == text


@pytest.mark.parametrize(
    "value",
    [None, "", [], {"key": "short"}, {"key": "../../../../etc", "service": "vqa"}, {"service": "vqa"}],
)
def test_what_is_no_record_is_no_job(value: object) -> None:
    assert read_record(value) is None
