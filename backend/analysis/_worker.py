"""The child process: ``python -m backend.analysis._worker request.json`` does the steps of one job and ends.

It writes JSON lines to stdout: ``{"step", "progress", "phase"}`` while working, ``{"problem"}`` or ``{"done"}`` at
the end. Whatever libraries print goes to stderr, the job's log. It ends when its stdin closes: the parent died.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from backend.analysis._kinds import KINDS
from backend.analysis._steps import perform_step
from backend.errors import OutOfMemory, StudioError
from backend.types import DatasetRef, RunRecord

_REPORT_EVERY = 0.1  # seconds; more often is only work for the reader


def main(request_path: str) -> int:
    messages = _own_stdout()
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(2)  # the pages go first
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    try:
        _perform(request, messages)
    except StudioError as error:
        traceback.print_exc()
        _say(messages, {"problem": error.as_problem().to_dict()})
    except MemoryError:
        traceback.print_exc()
        sentence = "This computer does not have enough memory for this. Close other programs and try again."
        _say(messages, {"problem": OutOfMemory(sentence).as_problem().to_dict()})
    else:
        _say(messages, {"done": True})
    return 0


def _perform(request: dict[str, Any], messages: TextIO) -> None:
    dataset = DatasetRef.from_dict(request["dataset"]) if request["dataset"] else None
    record = RunRecord.from_dict(request["record"])
    for number, (name, options) in enumerate(request["steps"]):
        perform_step(
            KINDS[name],
            options,
            record=record,
            dataset=dataset,
            run_dir=Path(request["run_dir"]),
            progress=_Teller(messages, number),
            check=lambda: None,  # a child is ended from outside
            threads=request["threads"],
        )


class _Teller:
    def __init__(self, messages: TextIO, step: int) -> None:
        self._messages, self._step = messages, step
        self._last, self._phase = float("-inf"), ""

    def __call__(self, fraction: float | None, phase: str = "") -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY or phase != self._phase:
            self._last, self._phase = now, phase
            _say(self._messages, {"step": self._step, "progress": fraction, "phase": phase})


def _own_stdout() -> TextIO:
    """Keep the real stdout for messages and send everybody else's prints to the log."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return messages


def _say(messages: TextIO, message: dict[str, Any]) -> None:
    messages.write(json.dumps(message) + "\n")
    messages.flush()


def _die_with_parent() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
