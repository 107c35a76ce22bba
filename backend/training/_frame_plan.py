"""When a picture of the cells is taken: often at first, then evenly, and never beyond its share of the time.

Pure: ``FramePlan(max_epochs).due(epoch, last, ...)``. A tick of the clock is its caller's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SHARE = 0.03  # of the training time, all pictures together
_EVENLY = 42  # pictures of the even stretch


@dataclass
class FramePlan:
    max_epochs: int
    spent: float = 0.0  # seconds, within training
    expected: float = 0.0  # seconds the next one will take, by the last one

    def due(self, epoch: int, last: int, elapsed: float) -> bool:
        """Whether to take a picture at the end of ``epoch``; ``last`` is the epoch of the one before."""
        return epoch >= self.next_after(last) and self.affordable(elapsed)

    def next_after(self, last: int) -> int:
        """Epochs 1, 2, 3, 4, 5, 6, 8, 10, 13, ... and then every k-th, so that a long run has some fifty."""
        even = max(1, math.ceil(self.max_epochs / _EVENLY))
        return last + min(even, max(1, last // 3))

    def affordable(self, elapsed: float) -> bool:
        return self.spent + self.expected <= SHARE * elapsed

    def took(self, seconds: float) -> None:
        self.spent += seconds
        self.expected = seconds
