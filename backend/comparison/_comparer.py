"""``Comparer``: runs of the registry side by side. The curves of runs that are over are kept at hand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from backend.charts import METRICS, Curves
from backend.comparison._compare import USEFUL_EPOCHS, compare_runs
from backend.comparison._summary import time_to
from backend.errors import BadInput
from backend.registry import RunRegistry
from backend.types import Comparison, RunRecord

MOST = 200  # runs in one comparison
_KEEP = 300  # curves at hand
COMPARABLE = tuple(m.name for m in METRICS.values() if m.is_loss and m.lower_is_better)


class Comparer:
    def __init__(self, registry: RunRegistry) -> None:
        self._registry = registry
        self._curves: OrderedDict[str, tuple[object, Curves]] = OrderedDict()
        self._lock = threading.Lock()

    def compare(
        self,
        run_ids: Sequence[str],
        *,
        metric: str = "validation_loss",
        target: float | None = None,
        reference: str = "",
        projected_epochs: int = USEFUL_EPOCHS,
    ) -> Comparison:
        """Everything about these runs beside each other.

        Raises
        ------
        NotFound
            One of them does not exist.
        BadInput
            None, or too many, are named.
        """
        ids = list(dict.fromkeys(run_ids))
        if not ids:
            raise BadInput("Choose at least one run to compare.")
        if metric not in COMPARABLE:
            raise BadInput(f"Runs cannot be compared by {metric!r}. Choose one of {', '.join(COMPARABLE)}.")
        if len(ids) > MOST:
            raise BadInput(f"At most {MOST} runs can be compared at once; {len(ids)} were chosen.")
        records = [self._registry.get(run_id) for run_id in ids]
        return compare_runs(
            records,
            {record.run_id: self.curves(record) for record in records},
            metric=metric,
            target=target,
            reference=reference,
            projected_epochs=projected_epochs,
        )

    def time_to(self, run_id: str, target: float, metric: str = "validation_loss") -> float | None:
        """Training seconds until the end of the first epoch at or below ``target``; None: never."""
        reached = time_to(self.curves(self._registry.get(run_id))[metric], target)
        return reached[0] if reached else None

    def curves(self, run: RunRecord) -> Curves:
        """The per-epoch series of a run, as far as it is."""
        state = (run.status, run.started_at, run.ended_at, run.epoch)
        with self._lock:
            known = self._curves.get(run.run_id)
            if known is not None and known[0] == state and run.status.is_over:
                self._curves.move_to_end(run.run_id)
                return known[1]
        curves = Curves()
        curves.add(self._registry.epoch_points(run.run_id))
        with self._lock:
            self._curves[run.run_id] = (state, curves)
            while len(self._curves) > _KEEP:
                self._curves.popitem(last=False)
        return curves
