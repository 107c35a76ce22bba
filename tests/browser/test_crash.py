"""What is left when a server dies, or is told to end."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.reading import loss, press, start_run, visit, wait_epochs, wait_status
from tests.browser.server import Server

EPOCHS = 300  # some ten seconds: time for a kill


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the tests here, each of which leaves it running: to come up takes longer than what they do."""
    workspace = tmp_path_factory.mktemp("studio") / "workspace"
    server = Server(workspace, environment={"SCVI_STUDIO_CHECKPOINT_SECONDS": "0.5"})
    server.start()
    yield server
    server.stop()


def wait_checkpoint(server: Server, run_id: str, seconds: float = 60) -> None:
    folder = server.workspace / "runs" / run_id / "checkpoint"
    deadline = time.monotonic() + seconds
    while not (folder.is_dir() and any(folder.iterdir())):
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.05)


def test_a_run_killed_midway_is_interrupted_and_resumes_to_the_same_total(
    server: Server, page: Page, console: Console
) -> None:
    run_id = start_run(page, server.url, max_epochs=EPOCHS)
    wait_checkpoint(server, run_id)  # on the disk: a page on a busy machine may be told when the run is over
    with console.losing_the_server(page):
        server.kill()
        server.start()
        visit(page, f"{server.url}/train?run={run_id}")
    wait_status(page, "interrupted", 20_000)
    assert wait_epochs(page, 1) < EPOCHS
    press(page, "Resume")
    wait_status(page, "finished", 180_000)
    expect(page.get_by_test_id("stMain").get_by_text(f"{EPOCHS} of {EPOCHS}").first).to_be_visible()
    wait_epochs(page, EPOCHS)
    longest = max((x for x, _ in loss(page).values()), key=len)
    assert longest == list(range(1, EPOCHS + 1)), "one point for each epoch, none twice"


def test_sigterm_midway_ends_the_server_soon_and_loses_nothing(
    server: Server, page: Page, console: Console
) -> None:
    run_id = start_run(page, server.url, max_epochs=5000)
    wait_epochs(page, 3)
    with console.losing_the_server(page):
        assert server.stop(20) is not None, f"the server did not obey SIGTERM:\n{server.log[-2000:]}"
        assert "Traceback" not in server.log
        server.start()
        visit(page, f"{server.url}/train?run={run_id}")
    assert wait_epochs(page, 1) >= 1
    expect(page.locator(f".st-key-resume-{run_id} button").first).to_be_visible()
