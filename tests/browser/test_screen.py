"""The screen as an instrument: what the first 800 pixels show, what moves, what a keyboard and a thumb can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.reading import PAGES, ready, shown_run, start_run, visit, wait_status
from tests.browser.server import Server

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LAPTOP = {"viewport": {"width": 1280, "height": 800}}

# What moved by itself, as the browser reckons it; what follows a click or a key within half a second does not count.
WATCH_SHIFTS = """
window.shifts = []
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(
        [entry.value, entry.startTime, entry.sources.map(source => source.node?.outerHTML?.slice(0, 120) ?? "")])
}).observe({ type: "layout-shift", buffered: true })
"""

# Whatever can be pressed and is smaller than a thumb. Part of a larger target counts as that target; so does a
# question mark whose surroundings belong to it, and text within a sentence.
SMALL = """() => [...document.querySelectorAll(
    "[data-testid=stMain] :is(button, summary, [role=tab], [data-testid=stPageLink-NavLink]),"
    + "[data-testid=stRadioOption], [data-testid=stHeader] button, #studio-theme, [data-testid=stSidebarNavLink]")]
    .filter(element => !element.closest("[data-testid=stSelectbox], [data-testid=stMultiSelect], "
        + "[data-testid=stNumberInputContainer], [data-testid=stDataFrame], [data-testid=stElementToolbar], "
        + "[data-testid=stWidgetLabel], [data-testid=stTooltipHoverTarget]:not(:has([data-testid^=stBaseButton]))"))
    .map(element => [element, element.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && box.height > 0 && box.height < 43.5)
    .map(([element, box]) => `${element.innerText || element.ariaLabel}: ${box.width} x ${box.height}`)"""

SCHEME = "getComputedStyle(document.querySelector('.stApp')).colorScheme"

FOCUS = """() => {
    const here = document.activeElement, style = getComputedStyle(here)
    return { words: (here.innerText ?? "").trim(),
             ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
             within: Boolean(here.closest(".stApp")) && !here.matches("main") }
}"""


def cumulative_layout_shift(shifts: list[tuple[float, float, object]]) -> float:
    """CLS as browsers define it: the largest sum of shifts less than a second apart, within five seconds."""
    largest = total = began = last = 0.0
    for value, at, _ in shifts:
        if at - last > 1000 or at - began > 5000:
            total, began = 0.0, at
        total, last = total + value, at
        largest = max(largest, total)
    return largest


@pytest.fixture(scope="module")
def finished(server: Server, browser: Browser) -> str:
    """The id of a run that is over."""
    page = browser.new_page()
    run_id = start_run(page, server.url, max_epochs=2)
    wait_status(page, "finished")
    page.close()
    return run_id


def test_a_keyboard_is_enough_to_train_and_nothing_moves_while_the_first_screen_fills(
    server: Server, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(**LAPTOP)
    context.add_init_script(WATCH_SHIFTS)
    page = context.new_page()
    visit(page, server.url)
    passed = []
    for _ in range(40):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUS)
        passed.append(now)
        if now["words"].endswith("Train on the example data"):
            break
    else:
        raise AssertionError(f"Tab does not come to the button: {passed}")
    assert all(one["ring"] for one in passed if one["within"]), (
        f"each shows that the keyboard is there: {passed}"
    )
    page.evaluate("() => { window.shifts.length = 0 }")
    page.keyboard.press("Enter")
    shown_run(page)
    wait_status(page, "finished")
    # the map follows by itself, in the place of the cells as they separated
    page.wait_for_selector(".cell-map[data-drawn]", timeout=120_000)
    for part in (".live-chart-plot", ".cell-map canvas"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, part
    shifts = page.evaluate("() => window.shifts")
    assert cumulative_layout_shift(shifts) < 0.02, "\n".join(f"{one}"[:700] for one in shifts)


def test_nothing_on_any_page_is_a_serious_obstacle_in_light_or_dark(
    server: Server, finished: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(**LAPTOP, color_scheme="light", reduced_motion="reduce").new_page()
    for path in [*PAGES.values(), f"/train?run={finished}", "/compare?tab=sweep"]:
        visit(page, server.url + path)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.wait_for_function(f"() => {SCHEME} === '{theme}'")
            ready(page)
            found = [
                (one["id"], [(node["target"], node["any"][:1]) for node in one["nodes"]][:5])
                for one in Axe().run(page).response["violations"]
                if one["impact"] in ("serious", "critical")
            ]
            assert not found, f"{path}, {theme}: {found}"


def test_on_a_phone_a_thumb_can_press_everything_and_the_menu_closes(
    server: Server, finished: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(**PHONE).new_page()
    for path in [*PAGES.values(), f"/train?run={finished}"]:
        visit(page, server.url + path)
        assert page.evaluate(SMALL) == [], path
    page.get_by_test_id("stExpandSidebarButton").tap()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Device").tap()
    page.wait_for_url("**/device")
    ready(page)
    expect(page.get_by_test_id("stSidebar")).not_to_be_in_viewport()


def test_the_theme_is_switched_in_sight_and_remembered_on_every_page(server: Server, page: Page) -> None:
    visit(page, f"{server.url}/device")
    before = page.evaluate(f"() => {SCHEME}")
    page.get_by_role("button", name="Switch to the").click()
    page.wait_for_function(f"() => {SCHEME} !== '{before}'")
    expect(page.get_by_test_id("stMainMenuPopover")).to_have_count(0)
    visit(page, f"{server.url}/runs")
    assert page.evaluate(f"() => {SCHEME}") != before
