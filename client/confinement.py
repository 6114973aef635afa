"""What a worker process gives up before it sees a file: memory, writing, network, and all drivers but a few."""

from __future__ import annotations

import ctypes
import os
import sys

import rasterio

NESTED_DRIVERS = frozenset({"JPEG", "MEM"})
"""Drivers that those of a scene call upon themselves: JPEG within GeoTIFF, blocks in memory."""
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000


def restrict_drivers(allowed: frozenset[str]) -> None:
    """Starts the process anew with every other GDAL driver switched off, unless that was done.

    GDAL registers its drivers once per process and reads what to skip at that moment, so the names of the others have
    to be known before it starts.
    """
    if "GDAL_SKIP" in os.environ:
        return
    with rasterio.Env() as env:
        others = env.drivers().keys() - allowed
    os.environ["GDAL_SKIP"] = ",".join(sorted(others))
    os.execve(sys.executable, sys.orig_argv, os.environ)


def limit_resources(memory_bytes: int) -> None:
    """Allows this much memory, and neither writing to files nor core dumps. Without effect on Windows."""
    if sys.platform == "win32":
        return
    import resource

    limits = {
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, most in limits.items():
        _, hard = resource.getrlimit(limit)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (value, value))


def leave_network() -> bool:
    """Moves the process into a network of its own with nothing in it, and returns whether the kernel let it.

    It is the second line: no driver that is left asks for the network. Linux only, and not in every container.
    """
    if not sys.platform.startswith("linux"):
        return False
    unshare = ctypes.CDLL(None).unshare
    return unshare(_CLONE_NEWNET) == 0 or unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
