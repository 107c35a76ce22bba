"""A page whose server is stopped or suspended says so, and goes on when the server does."""

from __future__ import annotations

import os
import signal

from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.reading import start_run, visit, wait_epochs, wait_status
from tests.browser.server import Server


def test_a_suspended_server_is_said_on_the_page_and_its_time_is_no_training_time(
    server: Server, page: Page, console: Console
) -> None:
    run_id = start_run(page, server.url, max_epochs=300)
    wait_epochs(page, 3)
    banner = page.get_by_role("alert").filter(has_text="does not answer")
    expect(banner).to_have_count(0)
    with console.losing_the_server(page):
        os.killpg(server.pid, signal.SIGSTOP)
        try:
            expect(banner).to_be_visible(timeout=30_000)
            page.wait_for_timeout(5_000)  # suspended, with the time until it was said
        finally:
            os.killpg(server.pid, signal.SIGCONT)
        expect(banner).to_have_count(0, timeout=30_000)
    wait_status(page, "finished", 180_000)
    notes = page.locator(f".st-key-notes-{run_id}")
    notes.get_by_text("Notes").click()
    expect(notes.get_by_text("not training time")).to_be_visible()


def test_a_stopped_server_is_said_on_every_page(server: Server, page: Page, console: Console) -> None:
    visit(page, f"{server.url}/device")
    banner = page.get_by_role("alert").filter(has_text="does not answer")
    page.locator(".st-key-server-watch span").first.wait_for(state="attached")  # it is loaded
    with console.losing_the_server(page):
        server.kill()
        expect(banner).to_be_visible(timeout=20_000)
        server.start()
        expect(banner).to_have_count(0, timeout=30_000)
        visit(page, f"{server.url}/device")
