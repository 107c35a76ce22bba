"""One background thread that does the work, started with the first piece of it.

The thread is a daemon, so that nothing it hangs in keeps the process alive for ever. A minibatch is given some
seconds at the very end: an interpreter that goes away under torch's C++ code aborts instead of exiting.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ._work import perform

_LAST_SECONDS = 8.0


class ThreadExecutor:
    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
                return future
            self._waiting.append((future, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="compute", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    @property
    def idle(self) -> bool:
        with self._changed:
            return not self._busy and not self._waiting

    @property
    def alive(self) -> bool:
        with self._changed:
            return not self._closed and (self._thread is None or self._thread.is_alive())

    def close(self, timeout: float = 2.0) -> bool:
        with self._changed:
            self._closed = True
            while self._waiting:
                self._waiting.popleft()[0].cancel()
            self._changed.notify_all()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return thread is None
        thread.join(timeout)
        if thread.is_alive():
            atexit.register(thread.join, _LAST_SECONDS)
        return not thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                future, work = self._waiting.popleft()
                self._busy = True
            perform(future, work)
            del future, work  # what they hold (a model, a matrix) must not live until the next piece
