"""The child's side: take the request, say how far it is, end with the parent."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from ..errors import StudioError

Say = Callable[[dict[str, Any]], None]
_REPORT_EVERY = 0.1  # seconds; more often is only work for the reader


def serve(perform: Callable[[dict[str, Any], Say], None], *, niceness: int) -> int:
    """Do the request on stdin with ``perform``, which says messages, and return the exit code.

    A ``StudioError`` of it becomes the message ``{"problem"}``; anything else is our mistake and ends the process
    with a traceback in the log.
    """
    say = _own_stdout()
    request = json.loads(_first_line())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(niceness)  # training and the pages go first
    try:
        perform(request, say)
    except StudioError as error:
        traceback.print_exc()
        say({"problem": error.as_problem().to_dict()})
    return 0


class Reporter:
    """Says ``{"progress", "phase"}`` and what else it was given, ten times a second at most; a new phase at once."""

    def __init__(self, say: Say, **about: Any) -> None:
        self._say, self._about = say, about
        self._last, self._phase = float("-inf"), ""

    def __call__(self, fraction: float | None, phase: str = "") -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY or phase != self._phase:
            self._last, self._phase = now, phase
            self._say({**self._about, "progress": fraction, "phase": phase})


def _own_stdout() -> Say:
    """Keep the real stdout for messages and send everybody else's prints to the log."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    assert isinstance(sys.stdout, TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)  # the log is whole when the parent ends us

    def say(message: dict[str, Any]) -> None:
        messages.write(json.dumps(message, default=_plain) + "\n")
        messages.flush()

    return say


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        block = os.read(0, 1 << 16)
        if not block:  # the parent died
            os._exit(1)
        line += block
    return line


def _die_with_parent() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(1)
