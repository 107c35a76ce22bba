"""Waiting for and reading the dashboard the way a person would: by what is shown."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from playwright.sync_api import Locator, Page, TimeoutError, expect

SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
PAGES = {
    "Start": "/",
    "Data": "/data",
    "Train": "/train",
    "Compare": "/compare",
    "Explore": "/explore",
    "Runs": "/runs",
    "Devices": "/device",
}

# the numbers of the first chart of a page that has any: the loss
LOSS = """() => {
    const plot = document.querySelector('.live-chart-plot')
    return (plot?.data ?? []).map(trace => ({ name: trace.name, x: [...trace.x], y: [...trace.y] }))
}"""


def ready(page: Page, timeout: float = 60_000) -> Page:
    """Wait until the script behind ``page`` has run through. Follow with a wait for content."""
    page.wait_for_selector(SETTLED, timeout=timeout)
    return page


def visit(page: Page, url: str) -> Page:
    page.goto(url)
    ready(page)
    expect(page.get_by_test_id("stMain").get_by_test_id("stHeading").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    return page


def pick(page: Page, field: Locator, option: str | re.Pattern[str]) -> None:
    """Choose in a select box. Its menu closes when the page moves, as it does while charts arrive: then once more."""
    wanted = page.get_by_role("option", name=option)
    for _ in range(5):
        field.click()
        try:
            wanted.click(timeout=2_000)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"no option {option!r}")


def press(page: Page, name: str) -> None:
    """Press the button whose caption ends with ``name``; its icon is read out before."""
    page.get_by_role("button", name=re.compile(rf"(^|\s){re.escape(name)}$")).first.click()


def start_run(page: Page, url: str, **settings: Any) -> str:
    """Fill the form through its address, press Train, and return the run's id."""
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    visit(page, f"{url}/train?{query}")
    page.locator(".st-key-train_submit button").click()
    return shown_run(page)


def shown_run(page: Page) -> str:
    page.wait_for_url(re.compile(r"/train\?run="), timeout=60_000)
    ready(page)
    return page.url.split("run=")[1].split("&")[0]


def wait_status(page: Page, status: str, timeout: float = 120_000) -> None:
    """Wait until the run on the page says ``status`` beside its name."""
    badge = page.get_by_test_id("stMain").get_by_text(re.compile(rf"(^|\s){status}$"))
    expect(badge.first).to_be_visible(timeout=timeout)
    ready(page)


def stop_if_running(page: Page, run_id: str) -> None:
    """End the run on the page, and wait until it has ended. It may end by itself before the click arrives."""
    stop, over = page.locator(f".st-key-stop-{run_id} button"), page.get_by_role("heading", name="Downloads")
    expect(stop.or_(over).first).to_be_visible(timeout=30_000)
    if stop.count():
        with suppress(TimeoutError):
            stop.first.click(timeout=5_000)
    wait_status(page, "(stopped|finished)", 30_000)


def loss(page: Page) -> dict[str, tuple[list[float], list[float]]]:
    """What the loss chart shows: name of the line -> (horizontal, vertical)."""
    return {trace["name"]: (trace["x"], trace["y"]) for trace in page.evaluate(LOSS)}


def epochs_drawn(page: Page) -> int:
    """The last epoch on the loss chart."""
    return int(max((max(x) for x, _ in loss(page).values() if x), default=0))


def wait_epochs(page: Page, least: int, timeout: float = 90_000) -> int:
    page.wait_for_function(
        f"() => Math.max(0, ...({LOSS})().flatMap(trace => trace.x)) >= {least}", timeout=timeout, polling=200
    )
    return epochs_drawn(page)
