"""The course of a training as it was executed: its sessions, its minibatches, and where the learning rate was.

    course = course_of(run)     # None where it is not on disk any more which cells were trained on

A run is one session, or several where it was resumed or extended. A learning rate that changes is planned over all
epochs a session was to have, so extending a run takes the rate up again. How many epochs an earlier session was to
have is told by the rates it logged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..training import share_of_rate
from ..types import Curves, RunSpec
from ._export import Run

MOST_STEPS = 800  # of an epoch: with more, single steps are not all on record
_MOST_EPOCHS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    first: int  # epoch, counted from 1
    planned: int  # epochs in all, earlier sessions included


@dataclass(frozen=True, slots=True)
class Course:
    n_train: int  # cells
    n_validation: int
    steps_per_epoch: int
    extra_steps: int | None  # minibatches after the last complete epoch; None: not on record
    sessions: tuple[Session, ...]
    certain: bool = True  # False: the logged rates allow several plans

    def extensions(self) -> Iterator[Session]:
        """Sessions that were to have more epochs than the one before."""
        for before, session in zip(self.sessions, self.sessions[1:], strict=False):
            if session.planned > before.planned:
                yield session


def has_schedule(spec: RunSpec) -> bool:
    return spec.lr_schedule != "constant" or spec.lr_warmup > 0


def course_of(run: Run) -> Course | None:
    split = run.split
    if split is None:
        return None
    n_train = len(split[0])
    per_epoch = math.ceil(n_train / run.record.spec.batch_size)
    extra = _extra_steps(run, per_epoch)
    sessions, certain = _sessions(run, per_epoch)
    if extra and sessions[-1].planned != run.record.spec.max_epochs:
        sessions += (Session(run.record.epoch + 1, run.record.spec.max_epochs),)
    return Course(n_train, len(split[1]), per_epoch, extra, sessions, certain)


def _extra_steps(run: Run, per_epoch: int) -> int | None:
    done = run.record.epoch * per_epoch
    last = run.steps[-1].step if run.steps else None
    if run.record.status != "stopped" or last is None:
        return 0
    return max(0, last - done) if per_epoch <= MOST_STEPS else None


def _sessions(run: Run, per_epoch: int) -> tuple[tuple[Session, ...], bool]:
    spec, epochs = run.record.spec, run.record.epoch
    if not has_schedule(spec):
        return (Session(1, spec.max_epochs),), True
    curves = Curves()
    curves.add(run.points)
    rates = curves["learning_rate"]
    logged = dict(zip(rates.order, rates.value, strict=True))
    starts = [epoch for epoch in sorted(curves.warm_up_epochs) if epoch <= max(1, epochs)]
    found: list[Session] = []
    planned, certain = spec.max_epochs, True
    ends = [start - 1 for start in starts[1:]] + [epochs]
    for first, last in reversed(list(zip(starts, ends, strict=True))):
        seen = {epoch: logged[epoch] for epoch in range(first, last + 1) if epoch in logged}
        likely = [plan for plan in (planned, last) if _fits(spec, seen, plan, per_epoch)]
        others = (plan for plan in range(last, _MOST_EPOCHS) if _fits(spec, seen, plan, per_epoch))
        if spec.lr_schedule == "constant" and len(set(likely)) > 1 and spec.lr_warmup * last < 1:
            certain = False
        chosen = next(iter(likely), None) or next(others, None)
        certain = certain and chosen is not None
        planned = chosen or planned
        if found and found[0].planned == planned:  # resumed
            found.pop(0)
        found.insert(0, Session(first, planned))
    return tuple(found), certain


def _fits(spec: RunSpec, logged: dict[int, float], planned: int, per_epoch: int) -> bool:
    """Whether a plan of so many epochs gives the rates of these epochs' last steps."""
    return all(
        math.isclose(
            rate,
            spec.lr
            * share_of_rate(
                epoch * per_epoch - 1, planned * per_epoch, spec.lr_schedule, spec.lr_warmup, spec.lr_end
            ),
            rel_tol=1e-5,
            abs_tol=1e-7 * spec.lr,
        )
        for epoch, rate in logged.items()
    )
