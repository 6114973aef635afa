"""The objects of an answer, listed and exported."""

import json
from dataclasses import replace
from pathlib import Path

from client.boxes import Box
from client.scene import Band, Rendering, Scene, Window
from ui.components.objects import objects_view
from ui.fragments import render
from ui.record import RecordedScene, SentPicture

WINDOW = Window(1000, 0, 1000, 500)
SENT = SentPicture(
    file="0a/picture.png",
    mime="image/png",
    width=992,
    height=512,
    size_bytes=1,
    window=WINDOW,
    scene_width=2000,
    scene_height=1000,
)
PLAIN = Scene(
    path=Path("port.tif"),
    name="port.tif",
    format="GeoTIFF",
    byte_size=1,
    digest="0",
    width=2000,
    height=1000,
    bands=(Band(1, "Grey", "uint8", "gray"),),
    dtype="uint8",
    rendering=Rendering(),
)
PLACED = replace(PLAIN, lattice=(((10.0, 50.0), (12.0, 50.0)), ((10.0, 49.0), (12.0, 49.0))))
RECORDED = RecordedScene(upload="/uploads/port.tif", name="port.tif")
SHIP = Box("ship", 0, 0, 500, 1000)


def test_a_box_is_placed_on_the_whole_scene_though_the_model_saw_an_area() -> None:
    (row,) = objects_view([SHIP], RECORDED, SENT, PLAIN).items
    assert row.shares == (50, 0, 25, 50)
    assert row.size == "500 x 500 px"
    assert row.place == "at 1250, 250"


def test_a_box_on_a_scene_with_a_georeference_has_coordinates() -> None:
    view = objects_view([SHIP], RECORDED, SENT, PLACED)
    assert view.items[0].place == "49.7500° N 11.2500° E"
    assert "WGS 84" in view.document_title
    ring = json.loads(view.document)["features"][0]["geometry"]["coordinates"][0]
    assert [11.0, 50.0] in ring


def test_without_a_georeference_the_export_says_that_it_is_in_pixels() -> None:
    view = objects_view([SHIP], RECORDED, SENT, PLAIN)
    assert "pixels" in view.document_title
    assert view.filename == "port-objects.geojson"


def test_boxes_of_a_scene_that_is_gone_are_listed_and_not_exported() -> None:
    view = objects_view([SHIP, SHIP], RECORDED, SENT, None)
    assert view.title == "2 objects marked on the scene"
    assert "GeoJSON" not in render("objects.html", objects=view)


def test_a_label_is_text() -> None:
    view = objects_view([replace(SHIP, label='<img src=x onerror="a">')], RECORDED, SENT, PLAIN)
    assert "<img" not in render("objects.html", objects=view)
