"""What the metric points of a run add up to: epoch, best validation, speed. Pure bookkeeping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import Any

from ..types import MetricPoint


class Progress:
    def __init__(self) -> None:
        self.epoch = 0
        self.elapsed = 0.0
        self._best: tuple[float, int] | None = None
        self._memory: int | None = None
        self._speeds: dict[str, dict[int, float]] = {"epoch_seconds": {}, "cells_per_second": {}}
        self._warm_up = {1}  # the first epoch of each session: it stays out of the median

    def add(self, point: MetricPoint) -> bool:
        """Take a point in; True where it completes something worth showing."""
        self.elapsed = max(self.elapsed, point.seconds)
        if point.step is not None:
            return False
        self.epoch = max(self.epoch, point.epoch)
        if point.name in self._speeds:
            self._speeds[point.name][point.epoch] = point.value
        elif point.name == "warm_up" and point.value:
            self._warm_up.add(point.epoch)
        elif point.name == "memory_bytes":
            self._memory = max(self._memory or 0, int(point.value))
        elif point.name == "validation_loss" and point.value < (self._best or (math.inf,))[0]:
            self._best = (point.value, point.epoch)
        return True

    def add_all(self, points: Iterable[MetricPoint]) -> None:
        for point in points:
            self.add(point)

    def fields(self) -> dict[str, Any]:
        """The fields of a ``RunRecord`` that progress decides."""
        return {
            "epoch": self.epoch,
            "elapsed": self.elapsed,
            "best_validation": self._best[0] if self._best else None,
            "best_epoch": self._best[1] if self._best else None,
            "seconds_per_epoch": self._steady("epoch_seconds"),
            "cells_per_second": self._steady("cells_per_second"),
            "peak_memory": self._memory,
        }

    def _steady(self, name: str) -> float | None:
        values = self._speeds[name]
        steady = [value for epoch, value in values.items() if epoch not in self._warm_up]
        return median(steady or values.values()) if values else None
