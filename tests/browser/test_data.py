"""Files brought in through the browser: a good one, one without counts, one with hostile names."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser import files
from tests.browser.reading import (
    pick,
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


def upload(page: Page, server: Server, path: Path) -> str:
    """Give ``path`` to the Data page and wait for its report; returns the source's id."""
    visit(page, f"{server.url}/data")
    page.locator("input[type=file]").first.set_input_files(path)
    page.wait_for_url(re.compile(r"/data\?source="), timeout=60_000)
    ready(page)
    expect(page.get_by_role("heading", name="Matrices")).to_be_visible(timeout=60_000)
    ready(page)
    return page.url.split("source=")[1]


def test_an_uploaded_h5ad_becomes_a_trained_model(server: Server, page: Page, tmp_path: Path) -> None:
    upload(page, server, files.counts_file(tmp_path / "my cells.h5ad"))
    expect(page.get_by_test_id("stMain").get_by_text("my cells.h5ad").first).to_be_visible()
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    ready(page)
    press(page, "Continue to training")
    page.wait_for_url(re.compile("/train"))
    ready(page)
    page.locator(".st-key-train_submit button").click()
    run_id = shown_run(page)
    wait_epochs(page, 2)
    stop_if_running(page, run_id)


def test_a_log_normalised_file_is_refused_with_the_remedy(server: Server, page: Page, tmp_path: Path) -> None:
    upload(page, server, files.log_normalised_file(tmp_path / "normalised.h5ad"))
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text(re.compile("log", re.IGNORECASE)).first).to_be_visible()
    expect(main.get_by_text(re.compile(r"raw counts", re.IGNORECASE)).first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Prepare$"))).to_have_count(0)


def test_no_batch_chosen_with_the_data_is_none_in_training(
    server: Server, page: Page, tmp_path: Path
) -> None:
    upload(page, server, files.counts_file(tmp_path / "no batch.h5ad", n_obs=120))
    batch = page.get_by_role("combobox", name="Batch (batch_key)")
    expect(batch).to_have_value("donor")
    pick(page, batch, re.compile("^None"))
    expect(batch).to_have_value("None: all cells are one batch")
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    ready(page)
    press(page, "Continue to training")
    page.wait_for_url(re.compile("/train.*dataset="))
    ready(page)
    page.get_by_text("Advanced settings", exact=True).click()
    field = page.locator(".st-key-train_batch_key").get_by_role("combobox")
    expect(field).to_be_visible()
    expect(field).not_to_have_value("donor")
    expect(field).to_have_attribute("placeholder", "None: treat all cells as one batch")


def test_a_file_and_what_was_prepared_from_it_can_be_removed(
    server: Server, page: Page, tmp_path: Path
) -> None:
    source = upload(page, server, files.counts_file(tmp_path / "goes away.h5ad", n_obs=140))
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    ready(page)
    press(page, "Continue to training")
    page.wait_for_url(re.compile("dataset="))
    prepared = page.url.split("dataset=")[1].split("&")[0]
    visit(page, f"{server.url}/data")
    asked = page.get_by_role("dialog")
    for key, folder in (
        (f"remove-{source}", f"sources/{source}"),
        (f"drop-{prepared}", f"prepared/{prepared}"),
    ):
        remove = page.locator(f".st-key-{key} button").filter(visible=True)
        for answer, left in (("Cancel", 1), ("Remove", 0)):
            remove.click()
            asked.get_by_role("button", name=re.compile(f"{answer}$")).click()
            expect(asked).to_have_count(0)
            ready(page)
            expect(remove).to_have_count(left)
            assert (server.workspace / folder).exists() == bool(left)


def test_names_that_are_html_or_markdown_stay_text(server: Server, page: Page, tmp_path: Path) -> None:
    outside: list[str] = []
    page.on("request", lambda request: None if server.url in request.url else outside.append(request.url))
    source = upload(page, server, files.hostile_file(tmp_path / files.HOSTILE["file"]))
    # invisible characters may keep a name from being taken for a link
    shown = page.get_by_role("heading", level=1).inner_text().replace("\u2060", "")
    assert shown == files.HOSTILE["file"]
    press(page, "Prepare")
    expect(page.get_by_text("Ready for training")).to_be_visible(timeout=60_000)
    ready(page)
    _inert(page)
    press(page, "Continue to training")
    page.wait_for_url(re.compile("/train"))
    ready(page)
    _inert(page)
    dataset = page.url.split("dataset=")[1].split("&")[0]
    run_id = start_run(page, server.url, dataset=dataset, max_epochs=2)
    wait_status(page, "finished")
    for path in (f"/train?run={run_id}", "/runs", "/", "/data", f"/data?source={source}", "/train"):
        visit(page, server.url + path)
        _inert(page)
    assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []


def _inert(page: Page) -> None:
    assert page.evaluate("() => window.hacked") is None
    for selector in (
        "img[src='q']",
        "a[href^='javascript:']",
        "[onerror]",
        "[onmouseover]",
        "img[src*=':9/']",
    ):
        assert page.locator(selector).count() == 0, f"{selector} on {page.url}"
    main = page.get_by_test_id("stMain")
    assert main.locator("strong", has_text=re.compile("^(bold|other)$")).count() == 0
    assert main.locator(".katex").count() == 0
