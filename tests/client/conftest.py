"""A reader of scenes for a whole module, so that its processes start once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from client.imagery import SceneReader

SCENES = Path(__file__).parents[2] / "assets" / "scenes"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[SceneReader]:
    """A reader with one process and half a gigabyte."""
    reader = SceneReader(workers=1, timeout_s=30, memory_mib=512)
    await reader.start()
    yield reader
    await reader.close()


@pytest.fixture
def scenes() -> Path:
    """The folder of the sample scenes."""
    return SCENES
