"""Draws the scenes whose truth is known exactly: `python -m assets.draw_scenes` writes assets/scenes/drawn/.

Each is written as PNG, as GeoTIFF, and with its truth beside it. The same program always draws the same scenes.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio import Affine

from assets.drawing.canvas import Canvas
from assets.drawing.places import PLACES, Place

FOLDER = Path(__file__).parent / "scenes" / "drawn"
SIDE = 704
"""Pixels of a side: a multiple of 32, so that the model sees every pixel as it was drawn."""
CRS = "EPSG:32630"
ORIGIN = (500_000.0, 40_000.0)
"""Where the scenes are placed, in metres of `CRS`: open sea in the Gulf of Guinea, where nobody takes them for real."""
COLOURS = 160
"""Colours of the PNG; the noise of a sensor in full colour would take ten times the bytes."""
NOTE = "Drawn by program, not photographed"


def draw_place(place: Place) -> tuple[Image.Image, dict[str, Any]]:
    """Returns a scene and its truth."""
    canvas = Canvas(SIDE, place.gsd_m, seed=sum(map(ord, place.key)))
    place.draw(canvas)
    image = canvas.finish().quantize(COLOURS, dither=Image.Dither.NONE)
    counts = Counter(thing.label for thing in canvas.objects)
    truth = {
        "scene": place.key,
        "title": place.title,
        "note": NOTE,
        "files": [f"{place.key}.png", f"{place.key}.tif"],
        "width": SIDE,
        "height": SIDE,
        "gsd_m": place.gsd_m,
        "crs": CRS,
        "caption": place.caption,
        "counts": dict(counts),
        "questions": [
            *({"question": f"How many {plural(label)} are visible?", "answer": str(n)} for label, n in counts.items()),
            *({"question": question, "answer": answer} for question, answer in place.questions),
        ],
        "objects": [
            {
                "label": thing.label,
                "pixels": [round(edge, 1) for edge in thing.box],
                "polygon": [[round(x, 1), round(y, 1)] for x, y in thing.polygon],
            }
            for thing in canvas.objects
        ],
    }
    return image, truth


def plural(label: str) -> str:
    """Returns the plural of a label."""
    return f"{label}s"


def write_geotiff(path: Path, image: Image.Image, place: Place) -> None:
    """Writes a scene as a georeferenced GeoTIFF, JPEG inside."""
    bands = np.moveaxis(np.asarray(image.convert("RGB")), -1, 0)
    transform = Affine(place.gsd_m, 0, ORIGIN[0], 0, -place.gsd_m, ORIGIN[1])
    shape = {"width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "crs": CRS, "transform": transform}
    storage = {"compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": 88, "tiled": True, "interleave": "pixel"}
    with rasterio.open(path, "w", driver="GTiff", blockxsize=256, blockysize=256, **shape, **storage) as out:
        out.write(bands)
        out.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{place.title}. {NOTE}.", TIFFTAG_SOFTWARE="Nadir")


def main() -> None:
    """Draws and writes every scene."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for place in PLACES:
        image, truth = draw_place(place)
        image.save(FOLDER / f"{place.key}.png", optimize=True)
        write_geotiff(FOLDER / f"{place.key}.tif", image, place)
        (FOLDER / f"{place.key}.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
