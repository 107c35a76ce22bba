"""Quality control in the browser: measured when asked for, counted before anything is removed, lines that drag."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import files
from tests.browser.reading import press, ready
from tests.browser.server import Server
from tests.browser.test_data import upload


def test_limits_are_typed_and_dragged_and_the_cells_they_remove_are_told(
    server: Server, page: Page, tmp_path: Path
) -> None:
    upload(page, server, files.counts_file(tmp_path / "to be filtered.h5ad", n_obs=310))
    page.get_by_text("Quality control", exact=True).click()
    press(page, "Measure cells")
    fewest = page.get_by_role("spinbutton", name="Minimum genes per cell")
    expect(fewest).to_be_visible(timeout=60_000)
    ready(page)
    expect(page.get_by_text("No limit is set: all 310 cells are kept.")).to_be_visible()
    fewest.fill("230")
    fewest.press("Enter")
    removed = page.get_by_text(re.compile(r"\d+ of 310 cells would be removed"))
    expect(removed).to_be_visible(timeout=30_000)
    ready(page)
    first = removed.inner_text()
    figure = page.locator("[class*='st-key-qc-max_genes-'][class*='-figure']")
    figure.scroll_into_view_if_needed()
    line = figure.locator(".shapelayer path").first
    expect(line).to_be_attached(timeout=30_000)  # a level line has no height, so it counts as invisible
    box = line.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 10, steps=4)
    page.mouse.move(x, y - 20, steps=4)
    page.mouse.up()
    expect(fewest).not_to_have_value("230", timeout=30_000)
    ready(page)
    assert int(fewest.input_value()) > 230
    assert removed.inner_text() != first
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    told = page.get_by_text(re.compile(r"Quality control removed \d+ of 310 cells"))
    expect(told).to_be_visible()
    assert removed.inner_text().split(" of ")[0] in told.inner_text()
