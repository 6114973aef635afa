"""Boxes in answers."""

import dataclasses
from pathlib import Path

import pytest

from client.boxes import Box, geojson, parse_boxes
from client.scene import Band, Rendering, Scene, Window

SHIP = Box("ship", 10, 20, 30, 40)
SCENE = Scene(
    path=Path("scene.tif"),
    name="scene.tif",
    format="GeoTIFF",
    byte_size=1,
    digest="0",
    width=2000,
    height=1000,
    bands=(Band(1, "Grey", "uint8", "gray"),),
    dtype="uint8",
    rendering=Rendering(),
)
PLACED = dataclasses.replace(SCENE, lattice=(((10.0, 50.0), (12.0, 50.0)), ((10.0, 49.0), (12.0, 49.0))))


@pytest.mark.parametrize(
    "answer",
    [
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}]',
        '```json\n[\n\t{"bbox_2d": [10, 20, 30, 40], "label": "ship"}\n]\n```',
        'There is one ship: {"bbox_2d": [10, 20, 30, 40], "label": "ship"}, moored.',
        '[{"label": "ship", "bbox_2d": [10, 20, 30, 40]},]',
        "[{'bbox_2d': [10, 20, 30, 40], 'label': 'ship'}]",
        '[{"bbox_2d": ["10", "20", "30", "40"], "label": "ship"}]',
        '[{"bbox_2d": [10.0, 20.0, 30.0, 40.0] "label": "ship"}]',
        '[{bbox: [10 20 30 40], label: "ship"}]',
        '[{"bbox_2d": [30, 40, 10, 20], "label": "ship"}]',
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}, {"bbox_2d": [10, 20, 30, 40], "label": "ship"}]',
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}, {"bbox_2d": [11, 2',
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship',
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}, {"bbox_2d": [50, 50, 50, 90], "label": "line"}]',
        "<|object_ref_start|>ship<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|>",
    ],
)
def test_a_box_is_found_however_it_is_written(answer: str) -> None:
    assert parse_boxes(answer) == [SHIP]


@pytest.mark.parametrize("answer", ["", "No ships.", "[1, 2, 3, 4]", '{"bbox_2d": [1, 2, 3]}', '{"bbox_2d": "none"}'])
def test_an_answer_without_boxes_has_none(answer: str) -> None:
    assert parse_boxes(answer) == []


def test_boxes_stay_within_the_picture_and_a_nameless_one_is_an_object() -> None:
    assert parse_boxes('{"bbox_2d": [-5, 0, 1200, 900]}') == [Box("object", 0, 0, 1000, 900)]


def test_a_model_that_repeats_itself_is_cut_off() -> None:
    answer = ",".join(f'{{"bbox_2d": [{i % 997}, 0, 1000, {1 + i // 997}], "label": "x"}}' for i in range(5000))
    assert len(parse_boxes(answer)) == 500


def test_a_label_is_made_printable() -> None:
    assert parse_boxes('{"bbox_2d": [1, 2, 3, 4], "label": "a\x1b\u202eb"}')[0].label == "a b"


def test_a_box_in_a_window_is_placed_on_the_scene() -> None:
    assert Box("ship", 0, 500, 1000, 1000).in_pixels(Window(100, 200, 50, 40)) == (100, 220, 150, 240)


def test_boxes_of_a_placed_scene_are_exported_in_degrees_counter_clockwise() -> None:
    collection = geojson([Box("ship", 0, 0, 500, 500)], PLACED, PLACED.whole)
    (feature,) = collection["features"]
    assert feature["properties"] == {"label": "ship", "pixels": [0, 0, 1000, 500]}
    assert feature["geometry"]["coordinates"] == [[[10, 49.5], [11, 49.5], [11, 50], [10, 50], [10, 49.5]]]


def test_boxes_of_an_unplaced_scene_are_exported_in_pixels_and_say_so() -> None:
    collection = geojson([Box("ship", 0, 0, 500, 500)], SCENE, Window(1000, 0, 1000, 1000))
    assert collection["features"][0]["geometry"]["coordinates"][0][1] == [1500, 500]
    assert collection["coordinates"].startswith("pixels")
