"""A Chromium for the browser tests: the one that is here, or one installed now.

python -m tests.browser.chromium    # prints the path; installs a browser where there is none
find()                              # the path, or None

Tried in order: ``SCVI_STUDIO_CHROMIUM``, a Chromium or Chrome of the system, Playwright's own, and for
installing Debian's package (as root or with password-free sudo) before Playwright's download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ASK = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
DEBIAN = ("chromium", "libatomic1")  # the second for Playwright's driver
MAC_APPS = ("Google Chrome", "Chromium", "Microsoft Edge")

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def flags() -> list[str]:
    """Command-line flags for a quiet, offline Chromium; root cannot have its sandbox."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*FLAGS, *(["--no-sandbox"] if root else [])]


def find() -> str | None:
    """The path of a browser that starts, or None."""
    return next((path for path in _candidates() if _starts(path)), None)


def driven() -> bool:
    """Does Playwright's driver start? It needs a library that a minimal system lacks."""
    return _playwrights_own() is not None


def install() -> str | None:
    """Install a browser and what drives it; return its path, or None where nothing worked."""
    if _is_debian() and (prefix := _as_root()) is not None:
        print("Installing Debian's chromium (once)", file=sys.stderr)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = [*prefix, "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
        for command in (["update"], ["install", "-y", "--no-install-recommends", *DEBIAN]):
            subprocess.run([*apt, *command], env=environment, stdout=subprocess.DEVNULL, check=False)
        if (path := find()) and driven():
            return path
    print("Installing Playwright's chromium (once)", file=sys.stderr)
    dependencies = ["--with-deps"] if sys.platform == "linux" and _as_root() is not None else []
    subprocess.run([sys.executable, "-m", "playwright", "install", *dependencies, "chromium"], check=False)
    return find()


def _candidates() -> Iterator[str]:
    if chosen := os.environ.get("SCVI_STUDIO_CHROMIUM"):
        yield chosen
    yield from filter(None, map(shutil.which, NAMES))
    if sys.platform == "darwin":
        for folder in (Path("/Applications"), Path.home() / "Applications"):
            yield from (str(folder / f"{app}.app/Contents/MacOS/{app}") for app in MAC_APPS)
    if own := _playwrights_own():  # last: asking starts Playwright
        yield own


def _playwrights_own() -> str | None:
    # in a process of its own: Playwright's loop is left in pieces where its driver cannot start
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def _starts(path: str) -> bool:
    # Ubuntu's chromium package is a stub that only says to use snap: being there is not enough
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() != b""


def _is_debian() -> bool:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return False
    return "ID=debian" in lines and shutil.which("apt-get") is not None


def _as_root() -> list[str] | None:
    """The words before a command that make it run as root, or None."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


if __name__ == "__main__":
    browser = find()
    if browser is None or not driven():
        browser = install()
        if browser is None:
            sys.exit(
                "The browser tests need Chromium or Google Chrome, and none could be installed. Install one, "
                "or name one: SCVI_STUDIO_CHROMIUM=/path/to/chrome make test"
            )
        if not driven():
            sys.exit(
                "Playwright, which drives the browser in tests, does not start here. To see why: "
                f"{sys.executable} -m playwright --version. A minimal Linux lacks libatomic: install libatomic1."
            )
    print(f"Browser: {browser}")
