"""Fixtures for tests in a real Chromium: ``server`` (one per module), ``page`` (fails on any console error).

A failing test leaves a screenshot and the server's log in test-results/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser import chromium
from tests.browser.server import PROJECT, Server

RESULTS = PROJECT / "test-results"

# Said by the browser and harmless; each with its reason.
HARMLESS = re.compile(
    # the page that asks for the token is the answer to whoever is not logged in
    r"401 \(Unauthorized\)"
)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)  # in a fixture as well as in the test


FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        pytest.fail("no Chromium or Chrome found: `make browser` installs one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.flags(), headless=True)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A dashboard on an empty workspace, shared by the tests of one module."""
    server = Server(tmp_path_factory.mktemp("studio") / "workspace")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``start_server()`` gives a dashboard of the test's own, ended with the test."""
    servers: list[Server] = []

    def start(workspace: Path | None = None, *, wait: bool = True, **environment: str) -> Server:
        server = Server(workspace or tmp_path / f"workspace{len(servers)}", environment=environment)
        servers.append(server)
        server.start() if wait else server.spawn()
        return server

    yield start
    for server in servers:
        server.stop()


class Console:
    """What went wrong in a browser tab: uncaught exceptions, console errors, failed requests to us."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._muted = False

    @contextmanager
    def losing_the_server(self, page: Page) -> Iterator[None]:
        """While a test takes the server away, lost connections are no fault; leave with a page that works."""
        self._muted = True
        yield
        page.evaluate("() => null")  # what the browser had to say so far has arrived
        self._muted = False

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self._add(f"uncaught: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not HARMLESS.search(text):
            self._add(f"console: {text}")

    def _add(self, text: str) -> None:
        if not self._muted:
            self.errors.append(text)


@pytest.fixture
def console() -> Iterator[Console]:
    console = Console()
    yield console
    assert not console.errors, "errors in the browser:\n" + "\n".join(console.errors)


@pytest.fixture
def new_context(
    browser: Browser,
    console: Console,
    start_server: object,  # not used, but ended after the pages here, which would complain of its end
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., BrowserContext]]:
    """``new_context(**options)`` is another browser profile, watched for errors like the first."""
    contexts: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        settings = {"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **options}
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        context.set_default_timeout(30_000)
        console.watch(context)
        contexts.append(context)
        return context

    yield make
    if request.node.stash.get(FAILED, False):
        _keep_evidence(request.node.name, contexts, request)
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return new_context().new_page()


def _keep_evidence(name: str, contexts: list[BrowserContext], request: pytest.FixtureRequest) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "_", name)[:100]
    for number, page in enumerate(page for context in contexts for page in context.pages):
        page.screenshot(path=RESULTS / f"{stem}-{number}.png", full_page=True)
        (RESULTS / f"{stem}-{number}.txt").write_text(f"{page.url}\n{page.locator('body').inner_text()}")
    if "server" in request.fixturenames:
        (RESULTS / f"{stem}-server.log").write_text(request.getfixturevalue("server").log)
