"""A sweep from one click to its table, through the death of the server."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.reading import press, ready, visit
from tests.browser.server import Server

EPOCHS = 200  # a few seconds: time for a click and for a kill
LAST_LOSSES = """() => [...document.querySelectorAll('.live-chart-plot')]
    .map(plot => (plot.data ?? []).map(trace => [trace.name, (trace.x ?? []).length, trace.x?.at(-1)]))
    .find(traces => traces.some(([name]) => /^128/.test(name ?? '')))"""


def begin(page: Page, url: str) -> str:
    """Two sizes, one engine: short, and yet with something to resume. The id of the group."""
    visit(page, f"{url}/compare?tab=sweep")
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill(str(EPOCHS))
    epochs.press("Enter")
    for unwanted in ("512", "scvi-tools (reference)"):
        page.get_by_role("button", name=unwanted, exact=True).click()
        ready(page)
    expect(page.get_by_text("2 runs", exact=True)).to_be_visible()
    page.locator(".st-key-sweep-start button").click()
    page.wait_for_url(re.compile("group="))
    return page.url.split("group=")[1].split("&")[0]


def test_a_sweep_whose_server_is_killed_is_resumed_to_the_full_table(
    start_server: Callable[..., Server], page: Page, console: Console
) -> None:
    server = start_server(SCVI_STUDIO_CHECKPOINT_SECONDS="0.3")
    group_id = begin(page, server.url)
    expect(page.get_by_text(re.compile(rf"training, \d+ of {EPOCHS}")).first).to_be_visible(timeout=60_000)
    with console.losing_the_server(page):
        server.kill()
        server.start()
        visit(page, f"{server.url}/compare?tab=sweep&group={group_id}")
    expect(page.get_by_text(re.compile("interrupted")).first).to_be_visible()
    press(page, "Resume")
    expect(page.get_by_text("2 of 2 runs done").first).to_be_visible(timeout=60_000)
    mine = page.get_by_test_id("stTable").first.locator("tbody tr")
    expect(mine).to_have_count(2)
    for row in range(2):
        expect(mine.nth(row)).to_contain_text(re.compile(r"\d s"))
    expect(page.get_by_role("heading", name=re.compile("Verdict"))).to_be_visible()
    page.get_by_text("Validation ELBO of all runs").scroll_into_view_if_needed()  # drawn when looked at
    page.wait_for_function(f"() => ({LAST_LOSSES})()?.length === 2")
    assert {(count, last) for _, count, last in page.evaluate(LAST_LOSSES)} == {(EPOCHS, EPOCHS)}


def test_a_sweep_is_paused_extended_and_deleted(start_server: Callable[..., Server], page: Page) -> None:
    server = start_server()
    begin(page, server.url)
    expect(page.get_by_text(re.compile("Now:")).first).to_be_visible(timeout=60_000)
    press(page, "Pause")
    expect(page.get_by_text(re.compile("1 of 2 runs done.*paused")).first).to_be_visible(timeout=60_000)
    press(page, "Add settings")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="512", exact=True).click()
    dialog.get_by_text("Add to the queue").click()
    expect(page.get_by_text(re.compile("1 of 3 runs done.*paused")).first).to_be_visible()
    press(page, "Cancel remaining")
    page.get_by_role("dialog").get_by_text("Cancel them").click()
    expect(page.get_by_text(re.compile("1 of 3 runs done.*2 cancelled")).first).to_be_visible()
    press(page, "Delete")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Delete$")).click()
    expect(page.get_by_text("Your sweeps are listed here")).to_be_visible()
