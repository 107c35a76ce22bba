"""The map in a real browser: coloured by a gene, clustered anew, cells drawn around, two runs linked."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.reading import ready, start_run, visit, wait_status
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


def test_the_map_fills_the_window_and_gives_way_to_a_smaller_one(
    server: Server, page: Page, runs: list[str]
) -> None:
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        visit(page, f"{server.url}/explore?run={runs[0]}")
        box = shown(page).locator("canvas.base").first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= height
        assert box["height"] > 0.6 * height
        assert box["width"] > 0.5 * (width - 160)


def test_on_a_phone_the_map_stands_before_its_tools_which_a_thumb_can_hit(
    server: Server, page: Page, runs: list[str]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    stage, tools = found.locator("canvas.base").first.bounding_box(), found.locator(".tools").bounding_box()
    assert stage is not None
    assert tools is not None
    assert stage["y"] < 420
    assert stage["y"] + stage["height"] <= tools["y"]
    for button in found.locator("button:visible").all():
        assert (button.bounding_box() or {"height": 0})["height"] >= 44


def test_clusters_follow_the_slider_and_a_gene_colours_the_map(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    found.get_by_role("button", name="Leiden clusters").click()
    expect(found).to_have_attribute("data-colour", "Clusters", timeout=30_000)
    coarse = int(found.get_attribute("data-groups") or 0)
    assert coarse >= 3
    slider = found.get_by_role("slider", name="Resolution")
    slider.focus()
    page.keyboard.press("End")
    expect(found).not_to_have_attribute("data-groups", str(coarse), timeout=30_000)
    assert int(found.get_attribute("data-groups") or 0) > coarse
    box = found.get_by_role("searchbox", name="Colour by")
    box.fill("cd3")
    expect(found.get_by_role("button", name="CD3D", exact=True)).to_be_visible()
    box.fill("cd3d")
    page.keyboard.press("Enter")
    expect(found).to_have_attribute("data-colour", "CD3D", timeout=60_000)
    expect(page.get_by_text("log(1 + per 10,000 counts)")).to_be_visible()
    assert found.evaluate(COLOURS) > 50
    expect(found.get_by_role("button", name="Log-normalised")).to_have_attribute("aria-pressed", "true")
    found.get_by_role("button", name="Denoised").click()
    expect(page.get_by_text("Expected expression under the model")).to_be_visible(timeout=60_000)


def test_selected_cells_get_a_name_that_a_double_click_changes_and_undo_takes_back(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    circle(page, found.locator("canvas.base").first)
    bar = found.get_by_role("group", name="Selected cells")
    expect(bar).to_contain_text(re.compile(r"\d+ cells selected"))
    bar.get_by_role("button", name="Composition").click()
    expect(bar.get_by_role("table")).to_contain_text("Of selection")
    with page.expect_download() as coming:
        bar.get_by_role("button", name="Export").click()
    cells = coming.value.path().read_text().splitlines()[1:]
    chosen = found.get_attribute("data-chosen")
    assert len(cells) == int(chosen or 0)
    bar.get_by_role("button", name="Name", exact=True).click()
    bar.get_by_role("textbox", name="Name").fill("left <b>")
    page.keyboard.press("Enter")
    expect(found).to_have_attribute("data-colour", "annotation", timeout=30_000)
    expect(bar).to_be_hidden()
    level = found.locator(".level")
    expect(level).to_contain_text(f"left <b>{chosen}")
    level.dblclick()
    found.get_by_role("textbox", name="New name of left <b>").fill("western cells")
    page.keyboard.press("Enter")
    expect(level).to_contain_text("western cells")
    for _ in range(3):  # the new name, the first one, the selection
        found.get_by_role("button", name="Undo").click()
        ready(page)
    expect(found).not_to_have_attribute("data-colour", "annotation")
    expect(found).to_have_attribute("data-chosen", "0")


def test_a_click_in_the_legend_isolates_a_group_whose_cells_can_be_selected(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}")
    found = shown(page)
    level = found.locator(".level").first
    level.click()
    expect(level).to_have_attribute("aria-pressed", "true")
    found.get_by_role("button", name="Select these cells").click()
    expect(found.get_by_role("group", name="Selected cells")).to_be_visible()
    assert str(found.get_attribute("data-chosen")) in level.inner_text()
    found.get_by_role("group", name="Selected cells").get_by_role("button", name="Clear").click()
    found.get_by_role("button", name="Show all groups").click()
    expect(level).to_have_attribute("aria-pressed", "false")


def test_cells_circled_in_one_run_stand_out_in_the_other_and_grey_no_other_page(
    server: Server, page: Page, runs: list[str]
) -> None:
    visit(page, f"{server.url}/explore?run={runs[0]}&see=linked")
    found = shown(page)
    expect(found.locator("canvas.base")).to_have_count(2)
    circle(page, found.locator("canvas.base").first)
    bar = found.get_by_role("group", name="Selected cells")
    expect(bar).to_contain_text(re.compile(r"\d+ cells selected"))
    assert 0 < int(found.get_attribute("data-chosen") or 0) < 700
    page.get_by_test_id("stMain").get_by_text("UMAP", exact=True).click()
    ready(page)
    expect(shown(page)).to_have_attribute("data-chosen", "0")


def test_the_map_can_be_presented_and_the_script_comes_once(
    server: Server, page: Page, runs: list[str]
) -> None:
    scripts: list[str] = []
    page.on("request", lambda request: scripts.append(request.url) if ".js" in request.url else None)
    visit(page, f"{server.url}/explore?run={runs[0]}")
    shown(page)
    page.get_by_role("link", name="Present").click()
    expect(page.get_by_role("link", name="Exit presentation")).to_be_visible(timeout=30_000)
    found = shown(page)
    expect(found.locator(".menu")).to_be_hidden()
    expect(found.get_by_role("button", name="Full screen")).to_be_visible()
    page.get_by_role("link", name="Exit presentation").click()
    expect(page.get_by_role("combobox", name="Run")).to_be_visible(timeout=30_000)
    ours = [url for url in scripts if "/api/" in url]
    assert len(ours) == len(set(ours))


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
    expect(tip).to_contain_text(found.get_attribute("data-colour") or "")
