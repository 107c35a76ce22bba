"""How long a connection may say nothing: half a request is waited for, but not for ever.

Uvicorn waits without end for the rest of a request that was begun, and for the first byte of one that was not, so
that a few hundred half-open connections use up the server's open files. ``limit_waiting`` gives its protocols two
limits: for the head of a request, counted from its first byte, and for silence within its body.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any
from weakref import WeakKeyDictionary

HEAD = 30.0  # seconds for a whole head
BODY = 150.0  # seconds without a byte; uploads give up earlier, with a sentence
_PROTOCOLS = (("h11_impl", "H11Protocol"), ("httptools_impl", "HttpToolsProtocol"))
_waiting: WeakKeyDictionary[Any, tuple[str, asyncio.TimerHandle]] = WeakKeyDictionary()


def limit_waiting(head: float = HEAD, body: float = BODY) -> None:
    """Have every HTTP connection of this process closed that says nothing for too long."""
    for module, name in _PROTOCOLS:
        try:
            protocol = getattr(importlib.import_module(f"uvicorn.protocols.http.{module}"), name)
        except ImportError:  # httptools is not installed
            continue
        if not hasattr(protocol, "waits_for"):
            protocol.waits_for = {"head": head, "body": body}
            for method in ("connection_made", "data_received", "on_response_complete"):
                _watch(protocol, method)
        protocol.waits_for = {"head": head, "body": body}


def _watch(protocol: Any, method: str) -> None:
    original = getattr(protocol, method)

    def watched(self: Any, *args: Any) -> Any:
        result = original(self, *args)
        _expect(self, heard=method == "data_received")
        return result

    setattr(protocol, method, watched)


def _expect(connection: Any, *, heard: bool) -> None:
    """Start, keep or end the clock of ``connection``, from what it is in the middle of."""
    expected = _expected(connection)
    kind, clock = _waiting.pop(connection, ("", None))
    if clock is not None:
        if kind == expected == "head" or (kind == expected and not heard):
            _waiting[connection] = kind, clock  # bytes that drip in do not buy more time for a head
            return
        clock.cancel()
    if expected:
        seconds = connection.waits_for[expected]
        _waiting[connection] = expected, connection.loop.call_later(seconds, _give_up, connection)


def _expected(connection: Any) -> str:
    """What the other side owes: "head", "body" or nothing."""
    if connection not in connection.connections:  # a websocket by now, or closed
        return ""
    cycle = connection.cycle
    if cycle is None or cycle.response_complete:
        return "head"
    return "body" if cycle.more_body else ""


def _give_up(connection: Any) -> None:
    _waiting.pop(connection, None)
    if connection.flow.read_paused:  # it is us who do not read
        _expect(connection, heard=True)
    elif _expected(connection) and not connection.transport.is_closing():
        connection.transport.close()
