"""Comparing in the browser: a duel from one click to its verdict and replay, runs side by side by a link."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.reading import ready, visit
from tests.browser.server import Server

OVER = ".race[data-mode=over]"


@pytest.fixture
def duel(server: Server, page: Page) -> str:
    """The group of a finished duel on the built-in data, shown in ``page`` from its first moment."""
    visit(page, f"{server.url}/compare")
    page.get_by_text(re.compile("^Quick look")).click()
    ready(page)
    page.locator(".st-key-duel-start button").first.click()
    page.wait_for_url(re.compile("group="), timeout=60_000)
    page.wait_for_selector(".race[data-mode=live]", timeout=30_000)
    expect(page.locator(".race-sign")).to_have_text("Live")
    page.wait_for_selector(OVER, timeout=90_000)
    return page.url.split("group=")[1].split("&")[0]


def test_a_duel_goes_from_one_click_to_a_verdict_a_replay_and_every_number(
    server: Server, page: Page, duel: str
) -> None:
    headline = page.locator(".race-headline")
    expect(headline).to_have_text(re.compile("x as fast|A draw"))
    expect(page.locator(".race-table tbody tr")).not_to_have_count(0)
    assert page.locator(".race-name").all_inner_texts() == ["stock", "fused"]
    epochs = page.locator(".race-now").all_inner_texts()
    assert all(text.startswith("epoch 5 of 5") for text in epochs), epochs

    page.locator(".race-play").press("Enter")  # a keyboard is enough
    expect(page.locator(".race-sign")).to_have_text("Replay")
    expect(headline).to_have_text("Which run reaches the target loss first?")
    page.locator(".race-scrub").press("End")
    page.wait_for_selector(OVER)
    expect(headline).to_have_text(re.compile("x as fast|A draw"))

    page.get_by_role("link", name=re.compile("All results")).click()
    page.wait_for_url(re.compile("tab=side"))
    ready(page)
    expect(page.get_by_text("Verdict")).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.live-chart-plot')].filter(p => p.data?.length).length >= 4",
        timeout=30_000,
    )
    chosen = page.url.split("runs=")[1].split("&")[0]
    page.reload()  # a link with the runs is all it takes
    ready(page)
    expect(page.get_by_text("Differences", exact=True)).to_be_visible()
    assert chosen in page.url

    visit(page, f"{server.url}/compare?tab=duel&group={duel}&stage=1")
    page.wait_for_selector(".race.stage[data-mode=paused]")
    expect(page.locator(".race-sign")).to_have_text("Replay")
    expect(page.locator(".race-table")).to_be_hidden()
    page.locator(".race-play").click()
    page.wait_for_selector(".race[data-mode=playing]")
    page.locator(".race-scrub").press("End")
    page.wait_for_selector(OVER)
    expect(page.locator(".race-table")).to_be_visible()
