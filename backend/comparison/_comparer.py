"""``Comparer``: runs of the registry side by side. The curves of runs that are over are kept at hand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from ..analysis import Analyses
from ..errors import BadInput
from ..registry import RunRegistry
from ..types import Agreement, Comparison, Curves, Job, RunRecord
from ..words import METRICS
from ._agreement import agree
from ._compare import USEFUL_EPOCHS, compare_runs
from ._differences import labels
from ._summary import time_to

MOST = 200  # runs in one comparison
_KEEP = 300  # curves at hand
COMPARABLE = tuple(m.name for m in METRICS.values() if m.is_loss and m.lower_is_better)


class Comparer:
    def __init__(self, registry: RunRegistry, analyses: Analyses) -> None:
        self._registry = registry
        self._analyses = analyses
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

    # --- did it change the biology? ---

    def measurable(self, run_ids: Sequence[str]) -> list[str]:
        """Those whose cells can be looked at: trained here to a model, and not at work now."""
        records = [self._registry.get(run_id) for run_id in dict.fromkeys(run_ids)]
        return [r.run_id for r in records if r.status.is_over and self._analyses.stamp(r.run_id)]

    def measure_agreement(
        self, run_ids: Sequence[str], *, label: str | None = None, batch: str | None = None
    ) -> list[Job]:
        """Ask for what ``agreement`` needs, one job a run; what is there already is not made again.

        Raises
        ------
        BadInput
            The runs are not on the same cells, or fewer than two.
        Conflict
            A run has no latent space to look at.
        """
        records = [self._registry.get(run_id) for run_id in dict.fromkeys(run_ids)]
        if len(records) < 2:
            raise BadInput("Choose at least two runs whose models are on this computer.")
        if len({record.spec.dataset_id for record in records}) > 1:
            raise BadInput(
                "Only runs on the same data can be compared cell by cell. Choose runs of one data set."
            )
        return [
            self._analyses.request(r.run_id, "agreement", label=label or None, batch=batch or None)
            for r in records
        ]

    def agreement(
        self,
        run_ids: Sequence[str],
        *,
        label: str | None = None,
        batch: str | None = None,
        reference: str = "",
    ) -> Agreement | None:
        """Clusters, neighbours, labels and batches of each run beside those of ``reference`` (by default the
        first); None until all are measured."""
        ids = list(dict.fromkeys(run_ids))
        found = {
            run_id: self._analyses.result(run_id, "agreement", label=label or None, batch=batch or None)
            for run_id in ids
        }
        there = {run_id: result for run_id, result in found.items() if result is not None}
        if len(there) < len(ids) or len({result.facts["n_cells"] for result in there.values()}) != 1:
            return None
        names = labels([self._registry.get(run_id) for run_id in ids])
        return agree(
            there,
            dict(zip(ids, names, strict=True)),
            reference=reference if reference in there else ids[0],
            label=label or "",
            batch=batch or "",
        )
