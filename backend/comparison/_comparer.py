"""Runs side by side: ``compare_runs`` of given records and curves, pure, and ``Comparer`` for runs of the registry.

The curves of runs that are over are kept at hand.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from ..analysis import Analyses
from ..errors import BadInput
from ..registry import RunRegistry
from ..types import Agreement, ComparedRun, ComparedSetting, Comparison, Curves, Job, RunRecord, judged_by
from ..words import METRICS
from ._agreement import agree
from ._differences import differences, labels, same_setting
from ._fairness import FINAL_LOSS, TARGET, TOTAL_TIME, can_be_ranked, comparable, findings
from ._summary import still_falling, summary, time_to
from ._verdict import Spread, as_fast, choose, front, recommendation, settings_of, verdict, why

USEFUL_EPOCHS = 25
FINISHED = (
    0.005  # part of the loss: one that falls by more an epoch says who is quick to learn, not who ends best
)
_LEARNED = 0.2  # of the lowest loss above it: more is divergence; the slowest sizes of real sweeps are within a tenth


def compare_runs(
    records: Sequence[RunRecord],
    curves: Mapping[str, Curves],
    *,
    metric: str = "",
    target: float | None = None,
    reference: str = "",
    projected_epochs: int = USEFUL_EPOCHS,
    finished: float = FINISHED,
) -> Comparison:
    """Compare ``records``, whose curves are given by run id.

    Parameters
    ----------
    metric
        What the runs are judged by: the validation ELBO, and where one of them did not log it the loss that all
        have.
    target
        A value of ``metric``; by default the lowest that every run with such values reaches.
    reference
        The run that speed-ups refer to; by default the one with the slowest epochs.
    finished
        Part of the loss by which a run may still fall an epoch at its end. None is recommended where one falls by
        more: it is not known which would end best.
    """
    metric = metric or judged_by(curves.values())
    names = labels(records)
    runs = [
        summary(record, curves[record.run_id], name, metric, projected_epochs)
        for record, name in zip(records, names, strict=True)
    ]
    called = {record.run_id: name for record, name in zip(records, names, strict=True)}
    aim = target if target is not None else _reached_by_all(runs)
    found = findings(records, called, curves, metric, _arrivals(curves, metric, aim))
    holds = comparable(found)
    if target is None and TARGET not in holds:
        aim = None
    slow = reference if any(r.run_id == reference and r.steady_seconds for r in runs) else _slowest(runs)
    base = next((run.steady_seconds for run in runs if run.run_id == slow), None)
    runs = [_beside_the_others(run, curves[run.run_id], metric, aim, base) for run in runs]
    choice, falling = None, 0.0
    settings: list[ComparedSetting] = []
    if FINAL_LOSS in holds and TOTAL_TIME in holds:
        places = [n for n, record in enumerate(records) if can_be_ranked(record)]
        of_settings = labels(records, with_seeds=False)
        ranked = [runs[n] for n in places]
        settings = settings_of(
            ranked, [same_setting(records[n]) for n in places], [of_settings[n] for n in places]
        )
        falling = max((still_falling(curves[run.run_id][metric]) for run in ranked), default=0.0)
        if len(settings) > 1 and falling <= finished:
            choice = choose(settings)
            settings = [setting.replace(recommended=setting == choice.recommended) for setting in settings]
        runs = _with_front(runs, {run.run_id for run in ranked})
    recommended = choice.recommended if choice else None
    return Comparison(
        runs=tuple(runs),
        differences=differences(records),
        findings=found if len(records) > 1 else (),
        comparable=holds,
        settings=tuple(settings),
        metric=metric,
        target=aim,
        target_chosen=target is not None,
        reference=slow,
        front=tuple(run.run_id for run in sorted(runs, key=lambda run: run.total_seconds) if run.on_front),
        winner=_first(records, runs) if TARGET in holds else "",
        recommended=recommended.run_ids[0] if recommended else "",
        verdict=verdict(
            runs,
            found,
            choice,
            holds,
            metric=metric,
            target=aim,
            reference=slow,
            projected_epochs=projected_epochs,
            falling=falling if len(settings) > 1 and falling > finished else 0.0,
        ),
        recommendation=recommendation(choice, metric) if choice and recommended else "",
        why=why(choice, metric) if choice and recommended else "",
        projected_epochs=projected_epochs,
    )


def _reached_by_all(runs: Sequence[ComparedRun]) -> float | None:
    """The worst of the best values among runs that learned, rounded up so that a person can read it."""
    values = [run.best for run in runs if run.best is not None]
    if not values:
        return None
    least = min(values)
    return math.ceil(max(value for value in values if value <= least + _LEARNED * abs(least)) * 100) / 100


def _arrivals(curves: Mapping[str, Curves], metric: str, target: float | None) -> dict[str, int]:
    """The epoch at whose end each run that got there was at the target."""
    if target is None:
        return {}
    reached = {run_id: time_to(series[metric], target) for run_id, series in curves.items()}
    return {run_id: at[1] for run_id, at in reached.items() if at is not None}


def _slowest(runs: Sequence[ComparedRun]) -> str:
    timed = [run for run in runs if run.steady_seconds]
    return max(timed, key=lambda run: run.steady_seconds or 0.0).run_id if timed else ""


def _beside_the_others(
    run: ComparedRun, curves: Curves, metric: str, target: float | None, base: float | None
) -> ComparedRun:
    reached = time_to(curves[metric], target) if target is not None else None
    return run.replace(
        time_to_target=reached[0] if reached else None,
        target_epoch=reached[1] if reached else None,
        speed_up=base / run.steady_seconds if base and run.steady_seconds else None,
    )


def _with_front(runs: list[ComparedRun], ranked: set[str]) -> list[ComparedRun]:
    placed = [run for run in runs if run.run_id in ranked and run.last is not None and run.total_seconds > 0]
    on = front([(run.total_seconds, run.last or 0.0) for run in placed])
    ids = {run.run_id for run, on_front in zip(placed, on, strict=True) if on_front}
    return [run.replace(on_front=run.run_id in ids) for run in runs]


def _first(records: Sequence[RunRecord], runs: Sequence[ComparedRun]) -> str:
    """The first at the target, of the setting that is there first; nobody where that could be noise."""
    arrivals: dict[object, list[ComparedRun]] = {}
    for record, run in zip(records, runs, strict=True):
        arrivals.setdefault(same_setting(record), []).append(run)
    there = [
        (Spread.of(times), members)
        for members in arrivals.values()
        if len(times := [run.time_to_target for run in members if run.time_to_target is not None])
        == len(members)
    ]
    there.sort(key=lambda one: one[0].mean)
    if not there or len(arrivals) < 2 or (len(there) > 1 and as_fast(there[0][0], there[1][0])):
        return ""
    return min(there[0][1], key=lambda run: run.time_to_target or 0.0).run_id


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
        metric: str = "",
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
        if metric and metric not in COMPARABLE:
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

    def time_to(self, run_id: str, target: float, metric: str = "") -> float | None:
        """Training seconds until the end of the first epoch at or below ``target``; None: never."""
        curves = self.curves(self._registry.get(run_id))
        reached = time_to(curves[metric or curves.judged_by], target)
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
        return agree(
            there,
            reference=reference if reference in there else ids[0],
            label=label or "",
            batch=batch or "",
        )
