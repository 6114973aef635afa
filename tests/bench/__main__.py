"""Runs every benchmark: `make bench`. The one against a real vLLM needs more than that: `make bench-gateway`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NEEDS_VLLM = "bench_gateway"

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        if path.stem == NEEDS_VLLM:
            continue
        print(f"\n## {path.stem.removeprefix('bench_')}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{path.stem}"], check=True)
