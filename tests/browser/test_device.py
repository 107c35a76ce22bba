"""The Device page's self-check, and the engine as chosen and as shown, in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.reading import ready, shown_run, start_run, visit, wait_status
from tests.browser.server import Server


def test_a_check_can_be_begun_followed_from_another_page_and_canceled(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/device")
    begin = page.locator(".st-key-device_check_cpu button").first
    expect(begin).to_have_text(re.compile("Check now"))
    begin.click()
    cancel = page.locator(".st-key-check_cancel_cpu button").first
    expect(cancel).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile("comparing|measuring|compiling")).first).to_be_visible(timeout=60_000)
    visit(page, f"{server.url}/device")  # the check goes on without the page
    expect(cancel).to_be_visible(timeout=30_000)
    cancel.click()
    expect(begin).to_have_text(re.compile("Check now"), timeout=30_000)
    expect(cancel).to_have_count(0)


def test_the_usual_engine_is_fused_and_stock_is_one_click_away(server: Server, page: Page) -> None:
    start_run(page, server.url, max_epochs=2)
    wait_status(page, "finished")
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text(re.compile(r"fused engine, CPU kernels \(numba\)"))).to_be_visible()
    visit(page, f"{server.url}/train?max_epochs=2")
    page.get_by_role("radio", name="scvi-tools (reference)").click()
    ready(page)
    page.locator(".st-key-train_submit button").click()
    shown_run(page)
    wait_status(page, "finished")
    expect(main.get_by_text(re.compile("stock engine, scvi-tools"))).to_be_visible()
