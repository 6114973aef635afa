"""How long a large scene takes until it is ready, at what peak memory, and how few bytes go over the wire.

`python -m tests.bench.bench_imagery`. Linux only: peak memory is read from /proc. The files are built in a temporary
folder, about 1.5 GB, and removed.
"""

from __future__ import annotations

import asyncio
import base64
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterWindow

from client.imagery import SceneReader, Window
from client.payload import Detail
from client.samples import load_samples

MB = 1_000_000


@dataclass(frozen=True)
class Measurement:
    """One row of the table."""

    name: str
    value: float
    limit: float
    unit: str

    def __str__(self) -> str:
        verdict = "ok" if self.value <= self.limit else "OVER"
        return f"{self.name:<64} {self.value:>9.2f} {self.unit:<3} of {self.limit:g}  {verdict}"


def draw_terrain(width: int, height: int, count: int, top: int, seed: int = 7) -> np.ndarray:
    """Returns bands of hills under noise, which compress about as badly as a real scene."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    hills = np.sin(rows / 97.0) + np.sin(columns / 131.0) + np.sin((rows + columns) / 53.0)
    bands = [hills * (0.1 + 0.02 * b) + rng.normal(0.5, 0.04, hills.shape).astype(np.float32) for b in range(count)]
    return (np.stack(bands).clip(0, 1) * top).astype(np.uint8 if top < 256 else np.uint16)


def write_scene(path: Path, side: int, dtype: str, **options: object) -> None:
    """Writes a three-band GeoTIFF of this side, a strip at a time."""
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": dtype, "crs": "EPSG:32633"}
    transform = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    rows = 512
    patch = draw_terrain(side, rows, 3, 255 if dtype == "uint8" else 9000)
    with rasterio.open(path, "w", transform=transform, **profile, **options) as out:
        for top in range(0, side, rows):
            height = min(rows, side - top)
            out.write(np.roll(patch, top % 4096, axis=2)[:, :height], window=RasterWindow(0, top, side, height))


def add_overviews(path: Path) -> None:
    """Adds the overviews that a COG has."""
    with rasterio.open(path, "r+") as out:
        out.build_overviews([2, 4, 8, 16, 32], Resampling.average)


@contextmanager
def files() -> Iterator[Path]:
    """A folder with the files to measure on."""
    with tempfile.TemporaryDirectory(prefix="nadir-bench-") as name:
        folder = Path(name)
        # In a process of its own, so that building the files does not count as memory of reading them.
        builder = multiprocessing.get_context("spawn").Process(target=build, args=(folder,))
        builder.start()
        builder.join()
        yield folder


def build(folder: Path) -> None:
    """Writes the files to measure on."""
    write_scene(folder / "tiled.tif", 12_000, "uint8", tiled=True, blockxsize=512, blockysize=512, compress="lzw")
    add_overviews(folder / "tiled.tif")
    write_scene(folder / "striped.tif", 12_000, "uint16", compress="lzw", interleave="pixel")
    write_scene(folder / "deep.tif", 4096, "uint16", tiled=True)


def peak_mb(pid: int) -> float:
    """Returns the most memory that a process has had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / MB


def cpu_s(pid: int) -> float:
    """Returns the processor time that a process has had, which says more than the clock on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def timed(name: str, limit_s: float, reader: SceneReader, work: Awaitable[object]) -> list[Measurement]:
    """Measures one step, by the clock and by the processor."""
    (worker,) = reader.worker_ids
    began, had = time.perf_counter(), cpu_s(worker)
    await work
    seconds, processor = time.perf_counter() - began, cpu_s(worker) - had
    return [Measurement(name, seconds, limit_s, "s"), Measurement(f"{name}, processor", processor, limit_s, "s")]


async def measure_ready(path: Path, limit_s: float, memory_mb: float) -> list[Measurement]:
    """Opens a scene with its preview, draws its picture at standard detail, and a window at full resolution."""
    reader = SceneReader(workers=1, timeout_s=300)
    await reader.open(load_samples()[0].path)
    part = Window(5000, 5000, 2000, 2000)
    opening = asyncio.ensure_future(reader.open(path))
    rows = await timed(f"{path.name}: ready with preview", limit_s, reader, opening)
    scene = opening.result()
    rows += [
        *await timed(f"{path.name}: picture at standard detail", limit_s, reader, reader.picture(scene)),
        *await timed(f"{path.name}: window of 2000 x 2000", limit_s, reader, reader.picture(scene, window=part)),
        Measurement(f"{path.name}: peak memory of the worker", peak_mb(reader.worker_ids[0]), memory_mb, "MB"),
        Measurement(f"{path.name}: peak memory of this process", peak_mb(os.getpid()), memory_mb, "MB"),
    ]
    await reader.close()
    return rows


async def measure_small() -> list[Measurement]:
    """Opens a small photograph when the processes are warm."""
    reader = SceneReader(workers=1)
    await reader.open(load_samples()[0].path)
    opening = reader.open(load_samples()[2].path)
    rows = await timed("a photograph of 800 x 800: ready with preview", 0.3, reader, opening)
    await reader.close()
    return rows


async def measure_payload(path: Path) -> Measurement:
    """Compares a picture at standard detail with a base64 PNG of the whole."""
    async with asyncio.timeout(300):
        reader = SceneReader(workers=1)
        picture = await reader.picture(await reader.open(path), Detail.STANDARD)
        await reader.close()
    with rasterio.open(path) as source:
        whole = io.BytesIO()
        # What a client sends that only stretches to 8 bit; a PNG of 16 bit is twice as large.
        values = source.read()
        Image.fromarray(np.moveaxis((values / values.max() * 255).astype(np.uint8), 0, -1)).save(whole, "PNG")
    share = len(picture.data) / len(base64.b64encode(whole.getvalue()))
    return Measurement("deep.tif: bytes at standard detail against base64 PNG of the whole", share, 1 / 8, "")


async def main() -> None:
    """Builds the files, measures, prints."""
    for row in await measure_small():
        print(row)
    with files() as folder:
        for row in await measure_ready(folder / "tiled.tif", 1.5, 400):
            print(row)
        for row in await measure_ready(folder / "striped.tif", 20, 600):
            print(row)
        print(await measure_payload(folder / "deep.tif"))


if __name__ == "__main__":
    asyncio.run(main())
