"""Every page by its address, by its name in the navigation, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.reading import PAGES, ready, start_run, visit, wait_status
from tests.browser.server import Server

# Sideways scrolling of the page as a whole; a table may scroll inside its own frame.
OVERFLOW = """() => {
    const main = document.querySelector('[data-testid=stMain]')
    const page = document.documentElement
    const excess = Math.max(page.scrollWidth - innerWidth, main.scrollWidth - main.clientWidth)
    if (excess <= 1) return []
    return [...main.querySelectorAll('*')]
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
        .slice(-5).map(element => element.outerHTML.slice(0, 120))
        .concat(`${excess} px too wide`)
}"""


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_deep_link_works_as_the_first_request_to_a_fresh_server(
    start_server: Callable[..., Server], page: Page, path: str
) -> None:
    server = start_server()
    visit(page, server.url + path)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    heading = page.get_by_test_id("stMain").get_by_test_id("stHeading").first.inner_text()
    visit(page, server.url + path)
    assert page.get_by_test_id("stMain").get_by_test_id("stHeading").first.inner_text() == heading


def test_the_navigation_reaches_every_page(server: Server, page: Page) -> None:
    visit(page, server.url)
    headings = set()
    for name, path in [*PAGES.items()][1:] + [*PAGES.items()][:1]:
        page.get_by_role("link", name=name).first.click()
        page.wait_for_url(re.compile(rf"{re.escape(server.url + path)}(\?|$)"))  # a page may add its choices
        ready(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        heading = page.get_by_test_id("stMain").get_by_test_id("stHeading").first
        expect(heading).to_be_visible()
        headings.add(heading.inner_text())
    assert len(headings) == len(PAGES)


def test_no_page_scrolls_sideways_on_a_phone(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(
        viewport={"width": 375, "height": 740}, device_scale_factor=2, is_mobile=True, has_touch=True
    ).new_page()
    run_id = start_run(page, server.url, max_epochs=3)
    wait_status(page, "finished")
    visit(page, f"{server.url}/data")
    source = page.get_by_role("button", name="Open").first
    paths = [*PAGES.values(), f"/train?run={run_id}"]
    if source.count():
        source.click()
        page.wait_for_url("**/data?source=*")
        paths.append(page.url.removeprefix(server.url))
    for path in paths:
        visit(page, server.url + path)
        assert page.evaluate(OVERFLOW) == [], path
