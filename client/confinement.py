"""What a worker process gives up before it sees a file: memory, writing, network, and all GDAL drivers but a few.

Run as a program, it gives all that up and becomes the worker; what is given up stays so.
"""

from __future__ import annotations

import ctypes
import os
import sys

import rasterio

DRIVERS = frozenset({"GTiff", "JP2OpenJPEG", "PNG"})
"""GDAL's drivers that a file may reach; each reads one file and follows no reference."""
NESTED_DRIVERS = frozenset({"JPEG", "MEM"})
"""Drivers that those call upon themselves: JPEG within GeoTIFF, blocks in memory."""
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000


def drivers_to_skip() -> str:
    """Returns every other driver of this GDAL, as its option `GDAL_SKIP` takes them.

    GDAL reads that option once, before it knows its drivers, so it takes a process to ask and another one to obey.
    """
    with rasterio.Env() as env:
        return ",".join(sorted(env.drivers().keys() - DRIVERS - NESTED_DRIVERS))


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
    return any(unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def main() -> None:
    """Confines the process, and becomes the worker."""
    environment = os.environ | {"GDAL_SKIP": drivers_to_skip()}
    leave_network()
    limit_resources(int(sys.argv[1]))
    os.execve(sys.executable, [sys.executable, "-E", "-s", "-m", "client.worker"], environment)


if __name__ == "__main__":
    main()
