"""Choose an executor. All of them do one piece of work at a time, in the order of submission.

One compute thread for everything: torch on MPS crashes when two threads use it, and numba's fallback
threading layer ends the process when two threads enter parallel code.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from ._inline import InlineExecutor
from ._thread import ThreadExecutor


class Executor(Protocol):
    def submit(self, work: Callable[[], Any]) -> Future[Any]:
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
