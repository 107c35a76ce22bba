"""The child process: ``python -m backend.datasets._worker request.json`` does one request and ends.

It writes JSON lines to stdout: ``{"progress", "phase"}`` while working, then ``{"result"}`` or
``{"problem"}``. Whatever libraries print goes to stderr, which is the job's log. It ends when its stdin
closes: the parent died.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from backend.datasets._atomic import raise_if_full
from backend.errors import OutOfMemory, StudioError
from backend.types import PrepareSpec, SourceRef

OnProgress = Callable[[float | None, str], None]
_REPORT_EVERY = 0.1  # seconds; more often is only work for the reader


def inspect(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from backend.datasets._inspect import inspect_source

    return inspect_source(SourceRef.from_dict(request["ref"]), on_progress).to_dict()


def prepare(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from backend.datasets._prepare import prepare_source

    extra = {"full": Path(request["full"])} if request.get("full") else {}
    return prepare_source(
        SourceRef.from_dict(request["ref"]),
        PrepareSpec.from_dict(request["spec"]),
        Path(request["out_dir"]),
        on_progress,
        **extra,
    )


def simulate(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from backend.datasets._simulate import SimulationSpec, write_simulated

    return write_simulated(SimulationSpec.from_dict(request["spec"]), Path(request["out"]), on_progress)


def public(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from backend.datasets._public import fetch_public

    return fetch_public(request["key"], Path(request["folder"]), Path(request["out"]), on_progress)


ACTIONS: dict[str, Callable[[dict[str, Any], OnProgress], dict[str, Any]]] = {
    "inspect": inspect,
    "prepare": prepare,
    "simulate": simulate,
    "public": public,
}


def perform(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Do ``request``, turning what a user can understand into a ``StudioError``."""
    try:
        return ACTIONS[request["action"]](request, on_progress)
    except StudioError:
        raise
    except MemoryError as error:
        raise OutOfMemory(
            "This machine does not have enough memory for this file. Close other programs, or choose fewer "
            "genes."
        ) from error
    except OSError as error:
        raise_if_full(error)
        raise


def main(request_path: str) -> int:
    messages = _own_stdout()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(5)  # training and the pages go first
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    try:
        _say(messages, {"result": perform(request, _throttled(messages))})
    except StudioError as error:
        traceback.print_exc()
        _say(messages, {"problem": error.as_problem().to_dict()})
    return 0


def _own_stdout() -> TextIO:
    """Keep the real stdout for messages and send everybody else's prints to the log."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return messages


def _say(messages: TextIO, message: dict[str, Any]) -> None:
    messages.write(json.dumps(message, default=_plain) + "\n")
    messages.flush()


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def _throttled(messages: TextIO) -> OnProgress:
    last = float("-inf")

    def on_progress(fraction: float | None, phase: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY:
            last = now
            _say(messages, {"progress": fraction, "phase": phase})

    return on_progress


def _die_with_parent() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
