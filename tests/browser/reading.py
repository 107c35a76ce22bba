"""Waiting for and reading a Streamlit page the way a person would: by what is shown."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
PAGES = {"Start": "/", "Data": "/data", "Train": "/train", "Runs": "/runs", "Device": "/device"}


def ready(page: Page, timeout: float = 60_000) -> Page:
    """Wait until the script behind ``page`` has run through. Follow with a wait for content."""
    page.wait_for_selector(SETTLED, timeout=timeout)
    return page


def visit(page: Page, url: str) -> Page:
    page.goto(url)
    ready(page)
    expect(page.get_by_test_id("stMain")).to_be_visible()
    return page


def press(page: Page, name: str | re.Pattern[str], *, nth: int = 0) -> None:
    page.get_by_role("button", name=name).nth(nth).click()
    ready(page)


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def no_exception(page: Page) -> None:
    """No red box: neither a traceback nor Streamlit's short form of one."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
