"""A scene cut into tiles."""

import dataclasses
import itertools

import numpy as np
import pytest

from client.errors import InputError
from client.tiles import cut_tiles
from tests.client.test_boxes import PLACED, SCENE


@pytest.mark.parametrize(("size", "overlap"), [(512, 0), (512, 64), (700, 100), (999, 1), (5000, 0)])
def test_tiles_cover_the_scene_and_stay_within_it(size: int, overlap: int) -> None:
    covered = np.zeros((SCENE.height, SCENE.width), bool)
    for tile in cut_tiles(SCENE, size=size, overlap=overlap):
        part = tile.window
        assert part == part.within(SCENE.width, SCENE.height)
        assert (part.width, part.height) == (min(size, SCENE.width), min(size, SCENE.height))
        covered[part.y : part.y + part.height, part.x : part.x + part.width] = True
    assert covered.all()


def test_neighbours_share_at_least_the_overlap() -> None:
    starts = sorted({tile.window.x for tile in cut_tiles(SCENE, size=512, overlap=64)})
    assert all(after - before <= 512 - 64 for before, after in itertools.pairwise(starts))


def test_a_tile_knows_where_it_is() -> None:
    tiles = cut_tiles(PLACED, size=1000)
    assert [tile.name for tile in tiles] == ["r1c1", "r1c2"]
    assert tiles[1].footprint == ((11, 50), (12, 50), (12, 49), (11, 49))
    assert cut_tiles(SCENE, size=1000)[0].footprint is None


@pytest.mark.parametrize(
    ("size", "overlap", "sentence"),
    [
        (63, 0, "at least 64 px"),
        (100, 100, "0 to 99 px"),
        (100, -1, "overlap must be"),
        (64, 63, "a larger size"),
    ],
)
def test_impossible_tiles_are_refused(size: int, overlap: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        cut_tiles(dataclasses.replace(SCENE, width=20_000), size=size, overlap=overlap)
