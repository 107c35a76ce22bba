"""Steps of a job in a process of their own: libraries that hold Python's lock for seconds would stall the pages.

    run_in_child(request, folder, on_progress, canceled)

The compute thread waits for it, so there is still one computation at a time. Canceling ends the process. The child
is ``_worker``; its log is ``<folder>/log.txt``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import OutOfMemory, StudioError
from ..jobs import Child
from ._stopping import AnalysisCanceled

OnStep = Callable[[int, float | None, str], None]
LOG = "log.txt"
_GRACE = 1.0  # seconds: a canceled map has nothing to put in order


def run_in_child(request: dict[str, Any], folder: Path, on_step: OnStep, canceled: threading.Event) -> None:
    """Do ``request`` and return when it is done.

    Raises
    ------
    StudioError
        What the child reported, or that it crashed.
    AnalysisCanceled
        ``canceled`` was set; the child has ended.
    """
    log = folder / LOG
    with Child(f"{__package__}._worker", request, log, grace=_GRACE) as child:
        for message in child.messages(canceled):
            if "done" in message:
                return
            on_step(message["step"], message["progress"], message["phase"])
        if canceled.is_set():
            raise AnalysisCanceled
        if child.exit_code() == -signal.SIGKILL:
            raise OutOfMemory(
                "The system ended this work, most likely because memory ran out. Close other programs and try again."
            )
        raise StudioError(f"Something unexpected went wrong: {child.last_words()}. The details are in {log}.")
