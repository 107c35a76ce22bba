"""Threads of our own that share the work of a step: the loops and products release the GIL.

    team = team_of(2)
    team.run([piece, piece], own)      # own() here, the pieces wherever a thread is free; back when all are done

A piece may be handed in by ``own`` as well, with ``team.more(piece)``. A torch operation inside takes one thread, so
that no product waits for a sleeping thread of OpenMP's, and numba's threading layers, whose fallback ends the process
when two threads enter it, are not used at all. What is computed must not depend on who does a piece.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from queue import Empty, SimpleQueue

import torch

Piece = Callable[[], object]


class Team:
    """``size`` threads, the caller's among them. One caller at a time; another waits."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pieces: SimpleQueue[Piece] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._handed_in = 0
        self._turn = threading.Lock()
        for i in range(1, size):
            threading.Thread(target=self._work, name=f"kernel-{i}", daemon=True).start()
        for _ in range(1, size):
            self._done.get()
        torch.set_num_threads(torch.get_num_threads())  # of threads to come, which take the number set last

    def run(self, pieces: Sequence[Piece], own: Piece = lambda: None) -> None:
        with self._turn:
            self._handed_in = 0
            try:
                for piece in pieces:
                    self.more(piece)
                own()
            finally:
                problem = self._finish()
            if problem is not None:
                raise problem

    def more(self, piece: Piece) -> None:
        self._handed_in += 1
        self._pieces.put(piece)

    def _finish(self) -> BaseException | None:
        while True:
            try:
                piece = self._pieces.get_nowait()
            except Empty:
                break
            self._do(piece)
        problems = [self._done.get() for _ in range(self._handed_in)]
        return next((problem for problem in problems if problem is not None), None)

    def _do(self, piece: Piece) -> None:
        try:
            piece()
        except BaseException as error:
            self._done.put(error)
        else:
            self._done.put(None)

    def _work(self) -> None:
        with one_thread():
            self._done.put(None)
            while True:
                self._do(self._pieces.get())


@cache
def team_of(size: int) -> Team:
    return Team(size)


@contextmanager
def one_thread() -> Iterator[int]:
    """torch's operations of the calling thread take one thread within the block; gives the number they took before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
