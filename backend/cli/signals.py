"""What Ctrl-C and a request to end do to a command, while it does it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM leaves in good order: a run becomes interrupted and can be resumed from the dashboard."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise SystemExit(143)

    with handling(signal.SIGTERM, terminated):
        yield


@contextlib.contextmanager
def handling(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """``handler`` answers the signal; only the main thread may ask for that, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
