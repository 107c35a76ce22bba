"""Does the work at once, in the caller's thread: for tests and for the command line.

Work submitted by work waits until that has ended, so the order is the same as with a thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ._work import perform


class InlineExecutor:
    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self._closed:
            future.cancel()
            return future
        self._waiting.append((future, work))
        if not self._busy:
            self._busy = True
            try:
                while self._waiting:
                    perform(*self._waiting.popleft())
            finally:
                self._busy = False
        return future

    @property
    def idle(self) -> bool:
        return not self._busy

    @property
    def alive(self) -> bool:
        return not self._closed

    def close(self, timeout: float = 2.0) -> bool:
        self._closed = True
        while self._waiting:
            self._waiting.popleft()[0].cancel()
        return not self._busy
