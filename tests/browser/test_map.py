"""The map in a real browser: coloured by a gene, clustered anew, cells drawn around, two runs linked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.reading import pick, ready, start_run, visit, wait_status
from tests.browser.server import Server

MAP = ".cell-map[data-drawn]"
COLOURS = """root => {  // how many different colours the points have
    const canvas = root.querySelector('canvas.base')
    const data = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)
    return new Set(data).size
}"""


@pytest.fixture(scope="module")
def finished(server: Server) -> list[str]:
    """The runs that the tests of this module look at, once they are there."""
    return []


@pytest.fixture
def runs(server: Server, page: Page, finished: list[str]) -> list[str]:
    while len(finished) < 2:
        finished.append(start_run(page, server.url, max_epochs=1, engine="stock", seed=len(finished)))
        wait_status(page, "finished")
    return finished


def shown(page: Page) -> Locator:
    found = page.locator(MAP).first
    expect(found).to_be_visible(timeout=90_000)
    return found


def circle(page: Page, canvas: Locator) -> None:
    """A lasso around the left half."""
    page.get_by_role("button", name="Lasso").first.click()
    box = canvas.bounding_box()
    assert box is not None
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def test_clusters_follow_the_slider_and_a_gene_colours_the_map(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    expect(found).to_have_attribute("data-colour", "Clusters", timeout=30_000)
    coarse = int(found.get_attribute("data-groups") or 0)
    assert coarse >= 3
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    expect(found).not_to_have_attribute("data-groups", str(coarse), timeout=30_000)
    assert int(found.get_attribute("data-groups") or 0) > coarse
    pick(page, page.get_by_role("combobox", name="Colour by"), "Gene…")
    ready(page)
    page.get_by_role("textbox", name="Gene").fill("cd3d")
    page.keyboard.press("Enter")
    expect(found).to_have_attribute("data-colour", "CD3D", timeout=60_000)
    expect(page.get_by_text("log(1 + per 10,000 counts)")).to_be_visible()
    assert found.evaluate(COLOURS) > 50
    page.get_by_test_id("stMain").get_by_text("Raw counts", exact=True).click()
    expect(page.get_by_text("Raw counts of the file, normalised")).to_be_visible(timeout=20_000)


def test_cells_circled_in_one_run_stand_out_in_the_other_and_stay_chosen(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}&see=linked")
    found = shown(page)
    expect(found.locator("canvas.base")).to_have_count(2)
    circle(page, found.locator("canvas.base").first)
    expect(page.get_by_text(re.compile(r"\d+ cells are selected in both maps"))).to_be_visible()
    chosen = found.get_attribute("data-chosen")
    assert 0 < int(chosen or 0) < 700
    page.get_by_test_id("stMain").get_by_text("UMAP", exact=True).click()
    ready(page)
    expect(page.get_by_text(f"{chosen} of 700 cells are selected")).to_be_visible(timeout=30_000)
    expect(shown(page)).to_have_attribute("data-chosen", chosen or "")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("press Lasso or Box")).to_be_visible()


def test_the_keyboard_moves_the_map_and_the_pointer_names_a_cell(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    canvas = found.locator("canvas.base").first
    canvas.scroll_into_view_if_needed()
    canvas.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("0")
    box = canvas.bounding_box()
    assert box is not None
    tip = found.locator(".tip")
    spots = [(x / 40, y / 40) for y in range(1, 40, 2) for x in range(1, 40, 2)]
    for x, y in spots:
        if tip.is_visible():
            break
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(tip).to_contain_text("Clusters")
