"""Pieces of measuring on the compute thread, one of a kind at a time: begun, watched, canceled.

under_way.begin("cpu", work)     # work(on_step) reports its progress and may be ended there
under_way.state("cpu")           # None once it is done; a failure stays readable until the next begin
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ..errors import StudioError
from ..types import CheckState
from ..workers import Executor

logger = logging.getLogger(__name__)

OnStep = Callable[[float, str], None]
Work = Callable[[OnStep], None]


class _Canceled(BaseException):
    """Raised through a measurement to end it. No ``Exception``: nothing on the way may absorb it."""


@dataclass
class _Piece:
    state: CheckState
    canceled: threading.Event = field(default_factory=threading.Event)
    running: bool = False
    future: Future[Any] | None = None


class UnderWay:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._pieces: dict[str, _Piece] = {}
        self._lock = threading.Lock()

    def begin(self, subject: str, work: Work) -> CheckState:
        with self._lock:
            known = self._pieces.get(subject)
            if known is not None and not known.state.problem and not known.canceled.is_set():
                return known.state
            piece = _Piece(CheckState(subject, 0.0, "waiting until the computer is free"))
            self._pieces[subject] = piece
        future = self._executor.submit(lambda: self._perform(subject, piece, work))
        with self._lock:
            piece.future = future
        return piece.state

    def state(self, subject: str) -> CheckState | None:
        with self._lock:
            piece = self._pieces.get(subject)
            return None if piece is None or piece.canceled.is_set() else piece.state

    def cancel(self, subject: str) -> None:
        """End it at its next step; one that waits never begins. A message of failure is taken away."""
        with self._lock:
            piece = self._pieces.pop(subject, None)
        if piece is not None:
            piece.canceled.set()
            if piece.future is not None:
                piece.future.cancel()

    def close(self) -> None:
        with self._lock:
            subjects = list(self._pieces)
        for subject in subjects:
            self.cancel(subject)

    def busy(self) -> str:
        with self._lock:
            running = [piece.state.subject for piece in self._pieces.values() if piece.running]
        if not running:
            return ""
        return "measuring bfloat16" if running[0] == "precision" else "checking a device"

    def _perform(self, subject: str, piece: _Piece, work: Work) -> None:
        def on_step(share: float, phase: str) -> None:
            if piece.canceled.is_set():
                raise _Canceled
            piece.state = CheckState(subject, min(1.0, max(0.0, share)), phase)

        piece.running = True
        try:
            on_step(0.0, "starting")
            work(on_step)
        except _Canceled:
            pass
        except Exception as error:
            expected = isinstance(error, StudioError)
            logger.warning("check of %s: %s", subject, error, exc_info=None if expected else error)
            first_line = str(error).strip().partition("\n")[0][:300] or type(error).__name__
            piece.state = CheckState(subject, 1.0, "failed", problem=first_line)
            return
        finally:
            piece.running = False
        with self._lock:
            if self._pieces.get(subject) is piece:
                del self._pieces[subject]
