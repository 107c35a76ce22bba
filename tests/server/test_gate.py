"""What a server answers to strangers, over real sockets: on every path, with and without a log-in."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from pages.server.gate import relative
from tests.browser.server import Server

PATHS = (
    *("/", "/train", "/nowhere", "/a/b", "/train/", "/index.html", "/favicon.png", "/static/x.js"),
    *(
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/metrics",
        "/train/_stcore/health",
        "/_stcore/agent/mcp",
    ),
    *(
        "/api/upload",
        "/api/download/x/model.zip",
        "/api/assets/plotly-0.min.js",
        "/media/x",
        "/component/x/y",
    ),
)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Only this computer reaches it."""
    server = Server(tmp_path_factory.mktemp("closed") / "workspace").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The network reaches it."""
    server = Server(
        tmp_path_factory.mktemp("shared") / "workspace",
        options={"server.address": "0.0.0.0"},
        environment={"SCVI_STUDIO_ALLOWED_HOSTS": "https://ood.example"},
    ).start()
    yield server
    server.stop()


def ask(
    server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, {key.replace("_", "-"): v for key, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode(errors="replace")
    finally:
        connection.close()


def speak(server: Server, *, origin: str | None = None, **headers: str) -> int:
    """The status with which the server answers a websocket."""
    try:
        with connect(
            f"ws://127.0.0.1:{server.port}/_stcore/stream",
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol("streamlit")],
            additional_headers=headers,
            proxy=None,
        ):
            pass
    except InvalidStatus as refused:
        return refused.response.status_code
    return 101


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_is_refused_on_every_path(closed: Server, path: str, method: str) -> None:
    status, _, said = ask(closed, path, method, Host="evil.example")
    assert status == 403
    assert "not one the server answers to" in said
    assert ask(closed, path, method, Host=f"127.0.0.1:{closed.port}", Origin="http://evil.example")[0] == 403


def test_the_websocket_is_for_the_page_itself(closed: Server) -> None:
    here = f"http://127.0.0.1:{closed.port}"
    assert speak(closed, origin=here) == 101
    other_port = f"http://127.0.0.1:{closed.port + 1}"
    for origin in (other_port, f"http://localhost:{closed.port}", here.replace("http", "https"), "null"):
        assert speak(closed, origin=origin) == 403, origin
    assert speak(closed, origin="http://evil.example", Host="evil.example") in (400, 403)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_a_server_on_the_network_answers_nobody_without_the_token(
    shared: Server, path: str, method: str
) -> None:
    for headers in ({}, {"Host": f"127.0.0.1:{shared.port}"}, {"Cookie": "scvi-studio=1"}):
        status, answer, said = ask(shared, path, method, **headers)
        assert status == 401
        assert "Set-Cookie" not in answer
        assert "streamlit" not in said.lower()
    assert speak(shared, origin=f"http://127.0.0.1:{shared.port}") == 403


def test_the_printed_address_logs_in_and_the_cookie_keeps_it(shared: Server) -> None:
    [link] = re.findall(r"at http://127\.0\.0\.1:\d+(/\S+)", shared.log)
    assert shared.token in link
    status, answer, _ = ask(shared, link + "&run=a%20b")
    assert (status, answer["Location"]) == (303, "./?run=a+b")
    cookie = answer["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    kept = cookie.split(";")[0]
    assert ask(shared, "/train", Cookie=kept)[0] == 200
    assert ask(shared, "/_stcore/health", Cookie=kept)[0] == 200
    assert (
        ask(shared, "/api/upload?name=a.h5ad", Cookie=kept)[0] == 403
    )  # the page's own token is asked as well
    here = f"http://127.0.0.1:{shared.port}"
    assert speak(shared, origin=here, Cookie=kept) == 101
    assert speak(shared, origin=here, Cookie=kept + "0") == 403
    assert speak(shared, origin="http://evil.example", Cookie=kept) == 403


def test_the_log_in_page_takes_the_token_and_goes_on_to_the_page(shared: Server) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    status, _, page = ask(shared, "/train?run=x", Accept="text/html")
    assert status == 401
    assert "<form" in page
    status, answer, _ = ask(shared, "/train?run=x", "POST", f"token={shared.token}".encode(), **form)
    assert (status, answer["Location"]) == (303, "./train?run=x")
    assert "Set-Cookie" in answer
    status, _, page = ask(shared, "/train", "POST", b"token=guess", **form)
    assert status == 401
    assert "not the token" in page


def test_programs_log_in_with_a_header(shared: Server) -> None:
    assert ask(shared, "/_stcore/health", Authorization=f"Bearer {shared.token}")[0] == 200
    assert ask(shared, "/_stcore/health", Authorization="Bearer guess")[0] == 401


def test_a_proxy_that_was_named_may_speak_by_another_host(shared: Server) -> None:
    known = {"Authorization": f"Bearer {shared.token}"}
    assert speak(shared, origin="https://ood.example", **known) == 101
    assert speak(shared, origin="http://ood.example", **known) == 403
    assert ask(shared, "/", Host="ood.example", **known)[0] == 200


def test_guessing_is_slow(tmp_path: Path) -> None:
    server = Server(tmp_path / "workspace", environment={"SCVI_STUDIO_TOKEN": "chosen-by-hand"}).start()
    try:
        told = [ask(server, "/?token=guess")[0] for _ in range(12)]
        assert told == [401] * 10 + [429] * 2
        assert ask(server, "/?token=chosen-by-hand")[0] == 429
        assert "chosen-by-hand" not in (server.workspace / "server.log").read_text()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("location", "path", "expected"),
    [
        ("/train", "/train/", "../train"),
        ("/train?x=1", "/train/", "../train?x=1"),
        ("/", "/auth/login", "../"),
        ("/", "/", "./"),
        ("/node/h/1/", "/node/h/1", "../../node/h/1/"),
        ("http://here:1/train", "/x", "./train"),
        ("https://identity.example/x", "/auth/login", "https://identity.example/x"),
        ("./x", "/a/b", "./x"),
    ],
)
def test_redirects_are_told_from_where_the_page_is(location: str, path: str, expected: str) -> None:
    assert relative(location, path, "here:1") == expected
