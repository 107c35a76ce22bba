"""How far a group is, from the records of its runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..types import GroupProgress, GroupRecord, RunRecord, RunStatus
from ._pace import Pace

_OPEN = (RunStatus.QUEUED, RunStatus.RUNNING)


def progress(group: GroupRecord, runs: Sequence[RunRecord], pace: Pace, *, elsewhere: bool) -> GroupProgress:
    count = Counter(record.status for record in runs)
    running = next((record for record in runs if record.status is RunStatus.RUNNING), None)
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
        running_id=running.run_id if running else "",
        paused=group.paused,
        elsewhere=elsewhere,
        seconds_left=_seconds_left(runs, pace),
        state=_state(group, count, elsewhere),
    )


def _state(group: GroupRecord, count: Counter[RunStatus], elsewhere: bool) -> str:
    if count[RunStatus.RUNNING]:
        return "pausing" if group.paused else "running"
    if count[RunStatus.QUEUED]:
        return "paused" if group.paused and not elsewhere else "waiting"
    return "interrupted" if count[RunStatus.INTERRUPTED] else "done"


def _seconds_left(runs: Sequence[RunRecord], pace: Pace) -> float | None:
    left = 0.0
    for record in runs:
        if record.status not in (*_OPEN, RunStatus.INTERRUPTED):
            continue
        whole = pace.seconds(record.spec)
        if whole is None:
            return None
        share = 1 - min(1.0, record.epoch / record.spec.max_epochs)
        left += whole * share
    return left
