"""Hostile requests: paths out of the workspace, foreign hosts and origins, oversize messages, half-open connections."""

from __future__ import annotations

import socket
import time
from itertools import product

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.browser.server import Server
from tests.chaos.trial import Trial
from tests.chaos.visitor import healthy, visiting

CANARY = "canary-7c1f9d"  # stands in a file beside the workspace
UP = [
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%5c",
    "..%c0%af",
    "%252e%252e%252f",
    "....//",
    "..;/",
    "..%00/",
]
ROUTES = [
    "/{}",
    "/api/download/{}/model.zip",
    "/api/download/x/{}",
    "/api/together/{}/report.html",
    "/api/frames/{}/1",
    "/api/frames/x/{}",
    "/api/blob/{}",
    "/api/assets/{}",
    "/static/{}",
    "/media/{}",
    "/app/static/{}",
    "/component/x/{}",
    "/_stcore/{}",
]
HALF_OPEN = 200
CLOSED_WITHIN = 90.0


def run(trial: Trial) -> None:
    (trial.folder / "canary.txt").write_text(CANARY)
    server = Server(trial.folder / "workspace").start()
    try:
        _paths(server, trial)
        _foreigners(server, trial)
        _oversize(server, trial)
        _half_open(server, trial)
        trial.require(healthy(server.port), "the server answers nobody any more")
        with visiting(server.port) as visitor:
            _, wrong = visitor.open("")
        for one in wrong:
            trial.lose(one)
        trial.require("Traceback" not in server.log, "a traceback on the console")
    finally:
        server.stop()


def _paths(server: Server, trial: Trial) -> None:
    leaked = 0
    targets = ["canary.txt", "workspace/registry.sqlite3", "etc/passwd"]
    for route, up, target in product(ROUTES, UP, targets):
        for deep in (1, 2, 8) if not trial.short else (2,):
            asked = route.format(up * deep + target)
            status, body = _ask(server.port, f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n")
            trial.add("hostile paths")
            if any(secret in body for secret in (CANARY.encode(), b"SQLite format", b"root:x:")):
                leaked += 1
                trial.lose(f"{asked} gives a file away")
            if status >= 500:
                trial.lose(f"{asked} is answered with {status}")
    trial.count("leaks", leaked)


def _foreigners(server: Server, trial: Trial) -> None:
    let_in = 0
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "localhost.evil.example:80",
        "[::2]",
    ):
        for path in (
            "/",
            "/train",
            "/_stcore/health",
            "/_stcore/host-config",
            "/api/upload?name=x",
            "/static/x",
        ):
            status, _ = _ask(server.port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n")
            trial.add("foreign hosts")
            if status < 400:
                let_in += 1
                trial.lose(f"{path} is answered for the host {host}")
    port = server.port
    for origin in (
        "http://evil.example",
        "http://127.0.0.1.evil.example",
        f"http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:1",
        "null",
    ):
        try:
            connect(
                f"ws://127.0.0.1:{port}/_stcore/stream", origin=origin, subprotocols=["streamlit"]
            ).close()  # type: ignore[arg-type, list-item]
        except (WebSocketException, OSError):
            pass
        else:
            let_in += 1
            trial.lose(f"a page of {origin} gets a websocket")
        trial.add("foreign origins")
    for method, path in product(("POST", "PUT", "DELETE"), ("/api/upload?name=x.h5ad", "/api/import")):
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n"
        status, _ = _ask(port, f"{head}Content-Length: 0\r\n")
        trial.add("forged requests")
        if status < 400:
            let_in += 1
            trial.lose(f"{method} {path} is taken from a foreign page")
    trial.count("let in", let_in)


def _oversize(server: Server, trial: Trial) -> None:
    here = f"Host: 127.0.0.1:{server.port}\r\n"
    long = "x" * 300_000
    for head in (
        f"GET /{long} HTTP/1.1\r\n{here}",
        f"GET / HTTP/1.1\r\n{here}X-Long: {long}\r\n",
        f"GET / HTTP/1.1\r\n{here}" + "".join(f"X-{n}: {n}\r\n" for n in range(20_000)),
        f"POST /api/upload?name={long[:5000]}.h5ad HTTP/1.1\r\n{here}Content-Length: 0\r\n",
        f"POST /api/upload?name=x.h5ad HTTP/1.1\r\n{here}Content-Length: 99999999999999\r\n",
        f"POST /api/upload?name=x.h5ad HTTP/1.1\r\n{here}Content-Length: -1\r\n",
        f"POST /api/upload?name=x.h5ad HTTP/1.1\r\n{here}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "GET / HTTP/9.9\r\n" + here,
        "\x00\xff\x00\xff\r\n",
    ):
        status, _ = _ask(server.port, head)
        trial.add("oversize or broken requests")
        trial.require(status < 500 or status == 501, f"{head[:40]!r} is answered with {status}")
        trial.require(healthy(server.port), f"after {head[:40]!r} the server answers nobody")
    try:
        with connect(
            f"ws://127.0.0.1:{server.port}/_stcore/stream",
            origin=server.url,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
        ) as stranger:
            for message in (b"\xff" * 1000, b"", "text", bytes(5_000_000)):
                stranger.send(message)
            time.sleep(0.5)
    except (WebSocketException, OSError):
        pass
    trial.require(healthy(server.port), "after damaged messages the server answers nobody")


def _half_open(server: Server, trial: Trial) -> None:
    """Connections that begin a request and never end it are closed, and keep nobody out."""
    waiting = []
    for number in range(HALF_OPEN):
        one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        one.sendall(b"" if number % 2 else b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        one.setblocking(False)
        waiting.append(one)
    began = time.monotonic()
    trial.require(healthy(server.port), f"{HALF_OPEN} half-open connections keep everybody out")
    while waiting and time.monotonic() - began < CLOSED_WITHIN:
        time.sleep(0.5)
        waiting = [one for one in waiting if not _closed(one)]
    trial.count("half-open connections", HALF_OPEN)
    trial.count("s until they were closed", round(time.monotonic() - began))
    trial.require(not waiting, f"{len(waiting)} half-open connections are still open")
    for one in waiting:
        one.close()


def _closed(one: socket.socket) -> bool:
    try:
        return one.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _ask(port: int, head: str) -> tuple[int, bytes]:
    """Status, 400 where the connection is closed without a word; and the start of what was sent back."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as one:
        try:
            one.sendall(f"{head}Connection: close\r\n\r\n".encode("latin-1"))
            while len(answer) < 1 << 20 and (block := one.recv(1 << 16)):
                answer += block
        except OSError:
            pass
    parts = answer.split(b" ", 2)
    return (int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else 400), answer
