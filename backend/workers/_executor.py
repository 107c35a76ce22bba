"""Plain pieces of work, one after another in the order they came: in one background thread, or inline.

    executor = make_executor("thread"); future = executor.submit(work); executor.close()

One compute thread for everything: torch on MPS crashes when two threads use it, and numba's fallback threading
layer ends the process when two threads enter parallel code. What a piece raises, an exit of the process included,
stays with its piece and is logged: the thread goes on with the next.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
Piece = tuple["Future[Any]", Callable[[], Any]]

_LAST_SECONDS = 8.0


class Executor(Protocol):
    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do ``work`` after all that came before. The future carries its result or error."""

    @property
    def idle(self) -> bool:
        """Nothing under way and nothing waiting."""

    @property
    def alive(self) -> bool:
        """Takes work and will do it."""

    def close(self, timeout: float = 2.0) -> bool:
        """Drop what has not begun, wait for what has; False where that did not end in time."""


def make_executor(kind: str = "thread") -> Executor:
    kinds: dict[str, Callable[[], Executor]] = {"thread": ThreadExecutor, "inline": InlineExecutor}
    return kinds[kind]()


class InlineExecutor:
    """Does the work at once, in the caller's thread; what is submitted by work waits until that has ended."""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        if self._closed:
            future.cancel()
            return future
        self._waiting.append((future, work))
        if not self._busy:
            self._busy = True
            try:
                while self._waiting:
                    error = _perform(*self._waiting.popleft())
                    if error is not None and not isinstance(error, Exception):
                        raise error  # meant for the process, whose thread this is
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


class ThreadExecutor:
    """One thread, started with the first piece of work, and again should it have died.

    It is a daemon, so that nothing it hangs in keeps the process alive for ever. A minibatch is given some seconds at
    the very end: an interpreter that goes away under torch's C++ code aborts instead of exiting.
    """

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._closed = False

    def submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
                return future
            self._waiting.append((future, work))
            if self._thread is None or not self._thread.is_alive():
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
            return not self._closed

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
            _perform(future, work)
            del future, work  # what they hold (a model, a matrix) must not live until the next piece


def _perform(future: Future[Any], work: Callable[[], Any]) -> BaseException | None:
    """Do one piece; what it raised, which its future has as well."""
    if not future.set_running_or_notify_cancel():
        return None
    try:
        result = work()
    except BaseException as error:
        logger.exception("work on the compute thread failed")
        future.set_exception(error)
        return error
    future.set_result(result)
    return None
