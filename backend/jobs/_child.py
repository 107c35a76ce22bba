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
from pathlib import Path
from typing import Any

from ..errors import OutOfMemory, StudioError
from ..storage import is_full, no_space

OnProgress = Callable[
    [float | None, str], None
]  # how far, from 0 to 1 or None: unknown; and what is being done
Say = Callable[[dict[str, Any]], None]
_REPORT_EVERY = 0.1  # seconds; more often is only work for the reader


def serve(perform: Callable[[dict[str, Any], OnProgress], dict[str, Any]], *, niceness: int) -> int:
    """Do the request on stdin with ``perform``, say ``{"result"}``, and return the exit code.

    A ``StudioError`` of it becomes the message ``{"problem"}``; anything else is our mistake and ends the process
    with a traceback in the log.
    """
    say = _own_stdout()
    request = json.loads(_first_line())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(niceness)  # training and the pages go first
    try:
        say({"result": _performed(perform, request, Reporter(say))})
    except StudioError as error:
        traceback.print_exc()
        say({"problem": error.as_problem().to_dict()})
    return 0


def _performed(
    perform: Callable[[dict[str, Any], OnProgress], dict[str, Any]], request: dict[str, Any], tell: OnProgress
) -> dict[str, Any]:
    """Do the request, turning what a user can understand into a ``StudioError``."""
    try:
        return perform(request, tell)
    except MemoryError as error:
        raise OutOfMemory(
            "This machine does not have enough memory for this. Close other programs, or choose fewer genes."
        ) from error
    except OSError as error:
        if is_full(error):
            raise no_space("what is being written", Path(request.get("log", ".")).parent) from error
        raise


class Reporter:
    """Says ``{"progress", "phase"}``, ten times a second at most; a new phase at once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last, self._phase = float("-inf"), ""

    def __call__(self, progress: float | None, phase: str) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY or phase != self._phase:
            self._last, self._phase = now, phase
            self._say({"progress": progress, "phase": phase})


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
