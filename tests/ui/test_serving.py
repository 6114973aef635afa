from __future__ import annotations

import os
from pathlib import Path

from ui.serving import sweep_uploads

DAY_S = 24 * 3600


def test_only_what_is_older_than_a_result_is_swept(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    for name, days in (("old", 8), ("young", 6)):
        path = tmp_path / name / "scene.tif"
        path.parent.mkdir()
        path.write_bytes(b"x")
        os.utime(path, (now - days * DAY_S,) * 2)
    sweep_uploads(tmp_path, now)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == [
        "young",
        "young/scene.tif",
    ]
