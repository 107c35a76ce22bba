"""A report as PDF, through the Chromium, Chrome or Edge that is installed: ``print_pdf(page, out)``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput

_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
_MAC = ("Google Chrome", "Chromium", "Microsoft Edge")
_WINDOWS = ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
_PATIENCE = 180  # seconds
NO_BROWSER = (
    "A PDF is made by Chromium, Google Chrome or Microsoft Edge, and none was found. Install one, or write the report "
    "with --html and print it from any browser."
)


def browsers() -> Iterator[str]:
    """Those of this computer, the likeliest first."""
    yield from filter(None, map(shutil.which, _NAMES))
    if sys.platform == "darwin":
        folders = (Path("/Applications"), Path.home() / "Applications")
        places = [folder / f"{app}.app/Contents/MacOS/{app}" for folder in folders for app in _MAC]
    else:
        named = filter(None, map(os.environ.get, ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")))
        places = [Path(folder) / app for folder in named for app in _WINDOWS]
    yield from (str(place) for place in places if place.is_file())


def print_pdf(page: Path, out: Path) -> None:
    """Print a page that needs no network.

    Raises
    ------
    BadInput
        There is no browser here, or none of them could print.
    """
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    found = list(browsers())
    if not found:
        raise BadInput(NO_BROWSER)
    for browser in found:
        with tempfile.TemporaryDirectory() as profile:
            command = [
                browser,
                "--headless",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-dev-shm-usage",
                *(["--no-sandbox"] if root else []),  # which root cannot have
                f"--user-data-dir={profile}",
                "--no-pdf-header-footer",
                "--virtual-time-budget=20000",
                f"--print-to-pdf={out}",
                page.absolute().as_uri(),
            ]
            try:
                subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
            except (OSError, subprocess.TimeoutExpired):
                continue
        if out.is_file() and out.stat().st_size:
            return
    raise BadInput(
        f"{Path(found[0]).name} did not print the report. Write it with --html and print it from a browser."
    )
