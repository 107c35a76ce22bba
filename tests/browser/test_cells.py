"""Cells in a real browser: watched while they separate, replayed, chosen on the map and asked for their genes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.reading import press, ready, start_run, stop_if_running, visit, wait_epochs, wait_status
from tests.browser.server import Server

PLAYER = ".cell-frames"
EPOCHS = 8
INK = """root => {  // points on the canvas, as pixels that are not transparent
    const canvas = root.querySelector('canvas')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let ink = 0
    for (let i = 3; i < data.length; i += 4) ink += data[i] > 0
    return ink
}"""


@pytest.fixture(scope="module")
def finished(server: Server) -> list[str]:
    """The run that the tests of this module look at, once it is there."""
    return []


@pytest.fixture
def run_id(server: Server, page: Page, finished: list[str]) -> str:
    if not finished:
        finished.append(start_run(page, server.url, max_epochs=EPOCHS, engine="stock"))
        wait_status(page, "finished")
    return finished[0]


def player(page: Page) -> Locator:
    found = page.locator(f"{PLAYER}[data-drawn]").first
    expect(found).to_be_visible(timeout=30_000)
    return found


def until(page: Page, condition: str) -> None:
    """Wait until ``condition`` of the player's ``d`` (its data attributes) is true."""
    handle = player(page).element_handle()
    page.wait_for_function(
        f"root => {{ const d = root.dataset; return {condition} }}", arg=handle, polling=50
    )


def all_loaded(page: Page) -> int:
    until(page, "d.loaded === d.frames")
    return int(player(page).get_attribute("data-frames") or 0)


def test_the_cells_are_replayed_from_the_first_picture_to_the_last(
    server: Server, page: Page, run_id: str
) -> None:
    visit(page, f"{server.url}/explore?run={run_id}&see=live")
    frames = all_loaded(page)
    assert frames >= 3
    expect(player(page)).to_have_attribute("data-epoch", str(EPOCHS))
    assert player(page).evaluate(INK) > 300
    page.get_by_role("button", name=re.compile("Play")).click()
    expect(player(page)).to_have_attribute("data-playing", "true")
    until(page, f"Number(d.at) % 1 > 0.02 && Number(d.at) < {frames - 1}")  # drawn between two pictures
    expect(player(page)).to_have_attribute("data-playing", "false", timeout=60_000)
    expect(player(page)).to_have_attribute("data-epoch", str(EPOCHS))


def test_the_replay_obeys_the_keyboard(server: Server, page: Page, run_id: str) -> None:
    visit(page, f"{server.url}/explore?run={run_id}&see=live")
    all_loaded(page)
    slider = page.locator(f"{PLAYER} input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("before training")).to_be_visible()
    expect(slider).to_have_attribute("aria-valuetext", "before training")
    page.locator(f"{PLAYER}-play").focus()
    page.keyboard.press("Enter")
    until(page, "Number(d.at) > 0.5")
    page.keyboard.press("Enter")
    expect(player(page)).to_have_attribute("data-playing", "false")


def test_with_less_motion_asked_for_pictures_follow_each_other_without_moving(
    server: Server, run_id: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    visit(page, f"{server.url}/explore?run={run_id}&see=live")
    all_loaded(page)
    player(page).evaluate(
        """root => {
            window.seen = []
            const watch = new MutationObserver(() => window.seen.push(root.dataset.at))
            watch.observe(root, { attributeFilter: ['data-at'] })
        }"""
    )
    page.get_by_role("button", name=re.compile("Play")).click()
    page.wait_for_function("() => new Set(window.seen).size >= 3")
    assert all(float(place).is_integer() for place in page.evaluate("() => window.seen"))


def test_a_run_shows_new_pictures_while_it_trains(server: Server, page: Page) -> None:
    run_id = start_run(page, server.url, max_epochs=5000, engine="stock")
    wait_epochs(page, 2)
    first = int(player(page).get_attribute("data-frames") or 0)
    until(page, f"Number(d.frames) > {first} && Number(d.epoch) > 0")
    stop_if_running(page, run_id)


def test_cells_drawn_around_on_the_map_are_asked_for_their_genes(
    server: Server, page: Page, run_id: str
) -> None:
    visit(page, f"{server.url}/explore?run={run_id}&see=map")
    canvas = page.locator(".cell-map[data-drawn] canvas").first
    expect(canvas).to_be_visible(timeout=90_000)
    page.get_by_role("button", name="Box").first.click()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.05 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.95 * box["height"], steps=6)
    page.mouse.up()
    bar = page.get_by_role("group", name="Selected cells")
    expect(bar).to_contain_text(re.compile(r"\d+ cells selected"))
    bar.get_by_role("button", name="Markers").click()
    ready(page)
    expect(page.get_by_role("combobox", name="Group", exact=True)).to_have_value(re.compile("selected cells"))
    press(page, "Find marker genes")
    expect(page.get_by_text(re.compile("genes differ between"))).to_be_visible(timeout=60_000)
    expect(page.locator("[class*=st-key-volcano] .live-chart[data-drawn]")).to_be_visible()
