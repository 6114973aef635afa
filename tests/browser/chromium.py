"""Where the browser tests get their Chromium: `python -m tests.browser.chromium` finds one, or installs one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

VARIABLE = "CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    f"The browser tests need a Chromium, and none was found. Set {VARIABLE} to its path, put one on PATH, or run "
    "`python -m playwright install chromium`."
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> Path | None:
    """Returns a Chromium: the environment variable's, one on PATH, or playwright's own; None without any."""
    if named := os.environ.get(VARIABLE):
        return Path(named) if Path(named).is_file() else None
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


def install_chromium() -> Path | None:
    """Fetches playwright's own Chromium, else Debian's package when root. Returns None where neither can be had."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        attempts += [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]]
    for command in attempts:
        print("Getting a Chromium:", " ".join(command), flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if found := find_chromium():
            return found
    return None


if __name__ == "__main__":
    chromium = find_chromium() or install_chromium()
    if chromium is None:
        sys.exit(MISSING)
    print(f"Browser tests run in {chromium}")
