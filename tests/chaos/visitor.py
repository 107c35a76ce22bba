"""A browser tab without a browser: opens pages over the websocket as Streamlit's own front end does."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

PAGES = ("", "data", "train", "compare", "explore", "runs", "device")


class Visitor:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def open(self, page: str, query: str = "", *, seconds: float = 60.0) -> tuple[float, list[str]]:
        """Seconds until the page is drawn, and what it shows that a page should not."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = query
        began = time.monotonic()
        self._socket.send(asked.SerializeToString())
        wrong: list[str] = []
        while True:
            told = ForwardMsg()
            told.ParseFromString(self._socket.recv(timeout=seconds))  # type: ignore[arg-type]
            element = told.delta.new_element
            if element.WhichOneof("type") == "exception":
                wrong.append(f"{page}: {element.exception.message[:200]}")
            if element.WhichOneof("type") == "alert" and "Something unexpected" in element.alert.body:
                wrong.append(f"{page}: {element.alert.body[:80]}")
            if told.WhichOneof("type") == "script_finished" and told.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
            ):
                return time.monotonic() - began, wrong


@contextmanager
def visiting(port: int) -> Iterator[Visitor]:
    with connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        open_timeout=30,
    ) as socket:
        yield Visitor(socket)


def healthy(port: int, seconds: float = 10.0) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
        try:
            connection.request("GET", "/_stcore/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
