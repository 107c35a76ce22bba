"""Pictures of every page at the sizes people have, in both themes: ``make screens`` writes docs/screens/.

A dashboard of its own trains on the built-in cells and runs a duel first, so that every page has something to show.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.reading import press, shown_run, visit, wait_status
from tests.browser.server import PROJECT, Server

SIZES = {"laptop": (1280, 800), "projector": (1920, 1080), "phone": (390, 844)}
THEMES = ("light", "dark")
SETTLE = 2_500  # milliseconds, for charts that are drawn after the script has run


def prepare(page: Page, url: str) -> tuple[str, str]:
    """A finished run with its map, and a finished duel: their ids."""
    visit(page, url)
    press(page, "Train on the example data")
    run_id = shown_run(page)
    wait_status(page, "finished")
    visit(page, f"{url}/explore?run={run_id}")
    page.wait_for_selector(".cell-map canvas", timeout=180_000)
    visit(page, f"{url}/compare")
    page.locator(".st-key-duel-start button").first.click()
    page.wait_for_selector(".race[data-mode=over]", timeout=180_000)
    return run_id, page.url.split("group=")[1].split("&")[0]


def take(browser: Browser, url: str, run_id: str, group_id: str, folder: Path) -> None:
    pages = {
        "start": "",
        "data": "data",
        "train": "train",
        "run": f"train?run={run_id}",
        "compare": f"compare?tab=duel&group={group_id}",
        "explore": f"explore?run={run_id}",
        "runs": "runs",
        "device": "device",
    }
    for size, (width, height) in SIZES.items():
        for theme in THEMES:
            viewport = {"width": width, "height": height}
            context = browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            page = context.new_page()
            for name, path in pages.items():
                visit(page, f"{url}/{path}")
                page.wait_for_timeout(SETTLE)
                page.screenshot(path=folder / f"{name}-{size}-{theme}.png")
            context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / "docs" / "screens")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        server = Server(Path(made) / "workspace", environment={"SCVI_STUDIO_THREADS": "2"}).start()
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.flags())
        try:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            take(browser, server.url, *prepare(page, server.url), folder)
        finally:
            browser.close()
            server.stop()
    print(f"{len(list(folder.glob('*.png')))} pictures in {folder}")


if __name__ == "__main__":
    main()
