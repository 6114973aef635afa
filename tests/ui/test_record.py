"""What the browser keeps of a job, and what is made of it when it comes back."""

import pytest

from client.scene import Rendering, Stretch, Stretching, Window
from ui.record import ChosenRendering, JobRecord, RecordedScene, read_record

RECORD = JobRecord(
    key="0123456789",
    service="captioning",
    scene=RecordedScene(
        sample="foz_do_iguacu_landsat8_uint16",
        rendering=ChosenRendering(bands=(1, 2, 3), stretch=Stretching.MINMAX),
        window=Window(1, 2, 3, 4),
    ),
    enlarge=True,
)


def test_what_was_chosen_of_a_scene_comes_back_from_the_browser() -> None:
    assert read_record(RECORD.model_dump(mode="json")) == RECORD


def test_a_record_from_before_there_were_choices_is_still_read() -> None:
    old = {"key": "0123456789", "service": "vqa", "scene": {"upload": "/a.tif", "name": "a.tif"}}
    record = read_record(old)
    assert record and record.scene and record.scene.window is None
    assert record.sent is None


def test_a_choice_leaves_to_the_rules_what_was_not_chosen() -> None:
    assert ChosenRendering().rendering == Rendering(None, None)
    assert ChosenRendering(stretch=Stretching.NONE).rendering == Rendering(None, Stretch(Stretching.NONE))


@pytest.mark.parametrize("file", ["../secret/picture.png", "/etc/passwd", "0a/picture.svg", "0a/../../picture.png"])
def test_a_record_cannot_name_any_other_file_as_its_picture(file: str) -> None:
    sent = {
        "file": file,
        "mime": "image/png",
        "width": 1,
        "height": 1,
        "size_bytes": 1,
        "window": vars(Window(0, 0, 1, 1)),
    }
    value = RECORD.model_dump(mode="json") | {"sent": sent | {"scene_width": 1, "scene_height": 1}}
    assert read_record(value) is None
