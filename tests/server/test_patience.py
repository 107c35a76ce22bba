"""Connections that begin and say no more are closed; those that work are not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from pages.server.patience import limit_waiting

HEAD, BODY = 0.6, 1.0


async def take(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def slow(_request: Request) -> Response:
    await asyncio.sleep(3 * BODY)
    return PlainTextResponse("at last")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    limit_waiting(HEAD, BODY)
    routes = [Route("/", take, methods=["POST"]), Route("/slow", slow), WebSocketRoute("/ws", echo)]
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=routes), log_level="critical", lifespan="off", ws="websockets-sansio"
    )
    web = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve([listening])))
    thread.start()
    while not web.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    web.should_exit = True
    thread.join(20)
    listening.close()
    limit_waiting()


def closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        while connection.recv(1000):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"P",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        b"GET /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        b"GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHo",
    ],
)
def test_two_hundred_that_say_half_of_it_are_closed(port: int, said: bytes) -> None:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for connection in connections:
        connection.sendall(said)
    before = time.monotonic()
    assert all(closed(connection, 15) for connection in connections)
    assert time.monotonic() - before < 14
    for connection in connections:
        connection.close()


def drip(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"X")
        time.sleep(HEAD / 6)


def test_a_head_that_drips_in_is_no_excuse(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            drip(connection)


def test_a_body_that_arrives_slowly_arrives(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(BODY / 4)
            connection.sendall(b"x")
        connection.settimeout(10)
        answer = b""
        while piece := connection.recv(1000):
            answer += piece
    assert answer.endswith(b"\r\n\r\n8")


def test_an_answer_that_takes_long_is_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(1000):
            answer += piece
    assert answer.endswith(b"at last")


def test_a_websocket_may_be_silent(port: int) -> None:
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as websocket:
        time.sleep(2 * BODY)
        websocket.send("still here")
        assert websocket.recv(5) == "still here"
