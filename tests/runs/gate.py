"""Hold a training at a point until the test has looked around."""

from __future__ import annotations

import threading


class Gate:
    """Put it into ``train.at``; ``wait_until_reached`` in the test, then ``open``."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        assert self._open.wait(20), "the test forgot to open the gate"

    def wait_until_reached(self) -> None:
        assert self._reached.wait(20), "the training never came here"

    def open(self) -> None:
        self._open.set()
