"""How far a group is, from the records of its runs, and how long it will take. Pure.

The time of one minibatch grows about linearly with its size, so two sizes of a kind tell the others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..types import Estimate, GroupProgress, GroupRecord, RunRecord, RunSpec, RunStatus

_OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)
_KIND = (
    "engine",
    "accelerator",
    "precision",
    "n_hidden",
    "n_layers",
    "n_latent",
    "gene_likelihood",
    "dispersion",
)
Kind = tuple[object, ...]


def progress(
    group: GroupRecord, runs: Sequence[RunRecord], pace: Pace, *, elsewhere: bool, at_once: int = 1
) -> GroupProgress:
    """``at_once``: so many of its runs are trained at a time."""
    count = Counter(record.status for record in runs)
    return GroupProgress(
        total=len(runs),
        finished=count[RunStatus.FINISHED] + count[RunStatus.STOPPED],
        failed=count[RunStatus.FAILED],
        canceled=count[RunStatus.CANCELED],
        interrupted=count[RunStatus.INTERRUPTED],
        queued=count[RunStatus.QUEUED],
        running=count[RunStatus.RUNNING],
        epochs=sum(record.epoch for record in runs),
        epochs_total=sum(
            record.spec.max_epochs if record.status in (*_OPEN, RunStatus.INTERRUPTED) else record.epoch
            for record in runs
        ),
        paused=group.paused,
        elsewhere=elsewhere,
        seconds_left=_seconds_left(runs, pace, at_once),
        state=_state(group, count, elsewhere),
    )


def _state(group: GroupRecord, count: Counter[RunStatus], elsewhere: bool) -> str:
    if count[RunStatus.RUNNING]:
        return "pausing" if group.paused else "running"
    if count[RunStatus.QUEUED]:
        return "paused" if group.paused and not elsewhere else "waiting"
    return "interrupted" if count[RunStatus.INTERRUPTED] else "done"


def _seconds_left(runs: Sequence[RunRecord], pace: Pace, at_once: int) -> float | None:
    left, longest = 0.0, 0.0
    for record in runs:
        if record.status not in (*_OPEN, RunStatus.INTERRUPTED):
            continue
        whole = pace.seconds(record.spec)
        if whole is None:
            return None
        share = 1 - min(1.0, record.epoch / record.spec.max_epochs)
        left += whole * share
        longest = max(longest, whole * share)
    return max(left / at_once, longest)


def kind(spec: RunSpec) -> Kind:
    return tuple(getattr(spec, name) for name in _KIND)


class Pace:
    def __init__(self, n_obs: int) -> None:
        self._n_obs = n_obs
        self._seconds: dict[Kind, dict[int, float]] = {}  # of one minibatch, by its size
        self._around: dict[Kind, float] = {}  # to start up and to save
        self.measuring = False

    def learn(self, records: Iterable[RunRecord]) -> None:
        """From runs on the same cells: all their time, warm-up included."""
        for record in records:
            if record.epoch and record.elapsed:
                self._add(record.spec, record.elapsed / record.epoch)
            if record.status is RunStatus.FINISHED and record.started_at and record.ended_at:
                self._around[kind(record.spec)] = max(
                    0.0, record.ended_at - record.started_at - record.elapsed
                )

    def ask(self, specs: Sequence[RunSpec], estimate: Callable[[RunSpec], Estimate]) -> None:
        """Have the smallest and the largest minibatch of each kind that is not known yet estimated."""
        kinds: dict[Kind, list[RunSpec]] = {}
        for spec in specs:
            if kind(spec) not in self._seconds:
                kinds.setdefault(kind(spec), []).append(spec)
        for members in kinds.values():
            ordered = sorted(members, key=lambda spec: spec.batch_size)
            for spec in dict.fromkeys((ordered[0], ordered[-1])):
                found = estimate(spec)
                self.measuring |= found.source == "measuring"
                if found.seconds_per_epoch is not None:
                    self._add(spec, found.seconds_per_epoch)
                    self._around[kind(spec)] = found.seconds_around or 0.0

    def seconds(self, spec: RunSpec) -> float | None:
        """Of the whole run; None where nothing of its kind is known."""
        known = self._seconds.get(kind(spec))
        if not known:
            return None
        training = _at(known, spec.batch_size) * self._steps(spec) * spec.max_epochs
        return training + self._around.get(kind(spec), 0.0)

    def total(self, specs: Iterable[RunSpec]) -> float | None:
        every = [self.seconds(spec) for spec in specs]
        return None if None in every else sum(one for one in every if one is not None)

    def _add(self, spec: RunSpec, seconds_per_epoch: float) -> None:
        self._seconds.setdefault(kind(spec), {})[spec.batch_size] = seconds_per_epoch / self._steps(spec)

    def _steps(self, spec: RunSpec) -> int:
        return max(1, math.ceil(self._n_obs * spec.train_size / spec.batch_size))


def _at(known: dict[int, float], size: int) -> float:
    if size in known:
        return known[size]
    sizes = sorted(known, key=lambda one: abs(math.log(one / size)))[:2]
    if len(sizes) == 1:
        return known[sizes[0]] * size / sizes[0]
    low, high = sorted(sizes)
    slope = (known[high] - known[low]) / (high - low)
    return max(known[low] + slope * (size - low), min(known.values()) * 0.1)
