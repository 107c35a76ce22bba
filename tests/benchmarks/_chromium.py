"""A dashboard and a Chromium tab on it, for benchmarks that measure what a person at the screen gets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium
from tests.browser.server import Server


@contextmanager
def workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        yield Path(folder) / "workspace"


@contextmanager
def dashboard(workspace: Path, script: str = "app.py") -> Iterator[Server]:
    """A server with the threads it would really use, not the single one of the tests."""
    server = Server(workspace, environment={"SCVI_STUDIO_THREADS": ""}, script=script)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def tab() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        yield page
        browser.close()
