"""The metric points of one run, gathered as they arrive, one column per quantity."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ._runs import MetricPoint

if TYPE_CHECKING:
    import numpy as np  # imported where it is used: importing the messages is cheap
    import numpy.typing as npt


ELBO, KL_WEIGHTED = "elbo_validation", "validation_loss"


class Series:
    """One metric over a run: ``order`` (step or epoch), ``epoch``, ``value``, ``seconds``, equally long."""

    def __init__(self) -> None:
        self.order = array("q")
        self.epoch = array("q")
        self.value = array("d")
        self.seconds = array("d")

    def __len__(self) -> int:
        return len(self.value)

    def push(self, point: MetricPoint) -> None:
        order = point.epoch if point.step is None else point.step
        if self.order and order <= self.order[-1]:
            # A resumed run repeats what lay beyond its checkpoint: the later account replaces the earlier.
            keep = bisect_left(self.order, order)
            for column in (self.order, self.epoch, self.value, self.seconds):
                del column[keep:]
        self.order.append(order)
        self.epoch.append(point.epoch)
        self.value.append(point.value)
        self.seconds.append(point.seconds)

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """As many as there are points."""
        import numpy as np

        return np.array(self.value, dtype=float)

    def finite(self) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.float64]]:
        """Order and value of the points that are numbers."""
        import numpy as np

        values = self.values
        keep = np.isfinite(values)
        return np.array(self.order, dtype=int)[keep], values[keep]


class Curves:
    """All series of one run. ``version`` grows with every point: a reader sees if there is anything new."""

    def __init__(self) -> None:
        self.version = 0
        self._series: dict[str, Series] = {}

    def add(self, points: Iterable[MetricPoint]) -> bool:
        before = self.version
        for point in points:
            self._series.setdefault(point.name, Series()).push(point)
            self.version += 1
        return self.version != before

    def __getitem__(self, name: str) -> Series:
        """The series called ``name``; an empty one where nothing was logged under that name."""
        return self._series.get(name) or Series()

    def __contains__(self, name: str) -> bool:
        return name in self._series

    def recent(self, name: str, n: int = 40) -> list[float]:
        """The whole series in at most ``n`` numbers, for a sparkline."""
        import numpy as np

        _, values = self[name].finite()
        if len(values) > n:
            values = values[np.linspace(0, len(values) - 1, n).round().astype(int)]
        return [float(f"{value:.6g}") for value in values.tolist()]

    @property
    def judged_by(self) -> str:
        """The quantity a run is judged by: the ELBO of its validation cells, with the KL part in full.

        Runs that did not log it are judged by the loss that they minimised, in which the KL part has the weight that
        the warm-up gave it at that epoch.
        """
        return ELBO if len(self[ELBO]) or not len(self[KL_WEIGHTED]) else KL_WEIGHTED

    @property
    def last(self) -> float | None:
        """The last value of ``judged_by`` that is a number."""
        _, values = self[self.judged_by].finite()
        return float(values[-1]) if len(values) else None

    @property
    def best(self) -> tuple[int, float] | None:
        """Epoch and lowest value of ``judged_by``."""
        import numpy as np

        epochs, values = self[self.judged_by].finite()
        if not len(values):
            return None
        at = int(np.argmin(values))
        return int(epochs[at]), float(values[at])

    @property
    def warm_up_epochs(self) -> set[int]:
        """The first epoch of each session: it also warms up, so it says little about the speed."""
        order, first = self["warm_up"].finite()
        return {1, *order[first > 0].tolist()}

    @property
    def steady_seconds(self) -> float | None:
        """Median seconds of an epoch without those that also warm up; with them while there are no others."""
        import numpy as np

        epochs, seconds = self["epoch_seconds"].finite()
        steady = seconds[~np.isin(epochs, sorted(self.warm_up_epochs))]
        seconds = steady if len(steady) else seconds
        return float(np.median(seconds)) if len(seconds) else None


def judged_by(several: Iterable[Curves]) -> str:
    """The quantity that several runs are judged by: the ELBO, unless one of them has the weighted loss alone."""
    return KL_WEIGHTED if any(one.judged_by == KL_WEIGHTED for one in several) else ELBO
