"""Work on files in a process of its own.

result = ChildRunner(folder).run({"action": ...}, name="inspect-ab12", on_progress=..., cancel=event)

The child is ``_worker``; its log is ``<folder>/<name>.log``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import OutOfMemory, StudioError
from ..jobs import Child

OnProgress = Callable[[float | None, str], None]


class WorkCanceled(Exception):
    """The work was asked to end before it was done."""


class ChildRunner:
    """Runs one request in a child process and waits for its result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(
        self, request: dict[str, Any], *, name: str, on_progress: OnProgress, cancel: threading.Event
    ) -> dict[str, Any]:
        """Run ``request`` and return its result.

        Raises
        ------
        StudioError
            What the child reported, or that it crashed.
        WorkCanceled
            ``cancel`` was set; the child has ended.
        """
        log = self._folder / f"{name}.log"
        with Child(f"{__package__}._worker", request, log) as child:
            for message in child.messages(cancel):
                if "result" in message:
                    return message["result"]
                on_progress(message["progress"], message["phase"])
            if cancel.is_set():
                raise WorkCanceled
            raise _ended(child, log)


def _ended(child: Child, log: Path) -> StudioError:
    code = child.exit_code()
    if code >= 0:
        return StudioError(
            f"Something unexpected went wrong: {child.last_words()}. The details are in {log}."
        )
    if code == -signal.SIGKILL:
        return OutOfMemory(
            "The system ended the work on this file, most likely because memory ran out. "
            "Close other programs or choose fewer genes, then try again."
        )
    return StudioError(
        f"Reading this file crashed (signal {-code}); it may be damaged. Nothing else was affected. "
        f"The details are in {log}."
    )
