"""A run watched in the browser: from a click to a curve, through reloads, in two browsers, to Stop."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.reading import (
    epochs_drawn,
    loss,
    press,
    ready,
    shown_run,
    start_run,
    stop_if_running,
    visit,
    wait_epochs,
    wait_status,
)
from tests.browser.server import Server

LONG = 5000  # epochs: more than any test waits for


@pytest.fixture
def long_run(server: Server, page: Page) -> Iterator[str]:
    """A run that goes on for the whole test, shown in ``page``."""
    run_id = start_run(page, server.url, max_epochs=LONG)
    wait_epochs(page, 2)
    yield run_id
    visit(page, f"{server.url}/train?run={run_id}")
    stop_if_running(page, run_id)


def test_the_built_in_data_trains_from_a_click_to_a_finished_curve(server: Server, page: Page) -> None:
    visit(page, server.url)
    press(page, "Train on the example data")
    shown_run(page)
    wait_status(page, "finished")
    wait_epochs(page, 20)  # the recommended course
    curves = loss(page)
    long = [(x, y) for x, y in curves.values() if x == list(range(1, 21))]
    assert len(long) >= 2, f"training and validation, one point an epoch: {curves}"
    assert all(y[-1] < y[0] for _, y in long), "the loss falls"
    expect(page).to_have_title(re.compile("finished"))


def test_the_model_of_a_finished_run_can_be_taken_away(server: Server, page: Page) -> None:
    start_run(page, server.url, max_epochs=2)
    wait_status(page, "finished")
    with page.expect_download() as started:
        page.get_by_text("Model (.zip)").click()
    with zipfile.ZipFile(started.value.path()) as archive:
        assert archive.testzip() is None
        assert any(name.endswith("model.pt") for name in archive.namelist())


def test_a_reload_midway_shows_the_same_run_and_its_whole_curve(
    server: Server, page: Page, long_run: str
) -> None:
    before = wait_epochs(page, 5)
    page.reload()
    ready(page)
    assert wait_epochs(page, before + 1) > before
    assert shown_run(page) == long_run
    assert min(min(x) for x, _ in loss(page).values() if x) == 1


def test_a_second_browser_sees_the_same_run_and_can_stop_it(
    server: Server, page: Page, long_run: str, new_context: Callable[..., BrowserContext]
) -> None:
    other = new_context().new_page()
    visit(other, f"{server.url}/train?run={long_run}")
    wait_epochs(other, 3)
    press(other, "Stop")
    wait_status(other, "stopped", 30_000)
    wait_status(page, "stopped", 30_000)
    both = max(
        epochs_drawn(page), epochs_drawn(other)
    )  # a chart that has been slow to draw rests before the next
    assert wait_epochs(page, both) == wait_epochs(other, both) < LONG


def test_stop_ends_soon_and_keeps_a_usable_model(server: Server, page: Page, long_run: str) -> None:
    press(page, "Stop")
    wait_status(page, "stopped", 15_000)
    folder = server.workspace / "runs" / long_run / "model"
    assert (folder / "model.pt").stat().st_size > 0
    expect(page.locator(f".st-key-resume-{long_run} button").first).to_be_visible()


def test_zoom_survives_live_updates(server: Server, page: Page, long_run: str) -> None:
    wait_epochs(page, 6)
    chart = page.locator(".live-chart").first
    # asked in one go: Plotly makes the drag area anew with every drawing
    box = chart.evaluate("chart => chart.querySelector('.nsewdrag').getBoundingClientRect().toJSON()")
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
    page.mouse.up()
    range_now = "() => document.querySelector('.live-chart-plot').layout.xaxis.range.map(Number)"
    page.wait_for_function("() => document.querySelector('.live-chart-plot').layout.xaxis.autorange !== true")
    zoomed = page.evaluate(range_now)
    drawn, epochs = int(chart.get_attribute("data-drawn") or 0), epochs_drawn(page)
    page.wait_for_function(
        f"() => Number(document.querySelector('.live-chart').dataset.drawn) >= {drawn + 3}", polling=200
    )
    assert epochs_drawn(page) > epochs, "the chart did go on"
    assert page.evaluate(range_now) == zoomed
