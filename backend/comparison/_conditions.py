"""Was the machine itself while it trained? Other load, battery, slowing down, other machines, pauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..types import Curves, FairPlayFinding, RunRecord
from ..words import listed, percent
from ._summary import machine, steady_epochs
from ._words import concerned

BUSY = 0.2  # of the machine, used by others during the run
SLOWED = 1.3  # the last epochs this many times as long as the first ones
UNEVEN = 1.8  # the slowest tenth of the epochs this many times as long as the quickest tenth
LEAST = 8  # steady epochs, to speak of either


def conditions(
    runs: Sequence[RunRecord], names: Mapping[str, str], curves: Mapping[str, Curves]
) -> list[FairPlayFinding]:
    found: list[FairPlayFinding] = []

    def add(code: str, severity: str, which: list[RunRecord], message: str) -> None:
        if which:
            said = concerned([names[run.run_id] for run in which], len(runs))
            ids = tuple(run.run_id for run in which)
            found.append(FairPlayFinding(code, severity, message.format(said), ids, ("time",)))

    load = {run.run_id: _number(run, "other_load") for run in runs}
    busy = [run for run in runs if load[run.run_id] >= BUSY]
    worst = max((load[run.run_id] for run in busy), default=0.0)
    add(
        "busy",
        "caution",
        busy,
        f"Other programs used up to {percent(min(1.0, worst), 0)} of the computer during {{}}: "
        "alone, it would have been faster.",
    )
    add(
        "battery",
        "caution",
        [run for run in runs if run.conditions.get("on_battery")],
        "On battery, where computers save power: {}.",
    )
    add(
        "throttled",
        "caution",
        [run for run in runs if run.conditions.get("throttled")],
        "The processor was held back (heat, or the limit of a container) during {}.",
    )
    slowed, uneven = [], []
    for run in runs:
        steady = steady_epochs(curves[run.run_id])
        if len(steady) < LEAST or run in busy:
            continue
        third = len(steady) // 3
        if np.median(steady[-third:]) >= SLOWED * np.median(steady[:third]):
            slowed.append(run)
        elif np.quantile(steady, 0.9) >= UNEVEN * np.quantile(steady, 0.1):
            uneven.append(run)
    add("slowed", "caution", slowed, "Epochs became slower and slower, as on a computer that grows hot: {}.")
    add(
        "uneven", "caution", uneven, "Epochs took very different times, as on a computer with other work: {}."
    )
    add(
        "paused",
        "note",
        [run for run in runs if len(curves[run.run_id].warm_up_epochs) > 1],
        "Continued after a pause; the first epoch of each part also warms up and stays out of the speed: {}.",
    )
    machines = {machine(run) for run in runs} - {""}
    if len(machines) > 1 or (len({run.imported_from for run in runs}) > 1):
        found.append(
            FairPlayFinding(
                "machines",
                "note",
                "The runs come from different computers, so times compare computers as well as settings.",
                tuple(run.run_id for run in runs),
                ("time",),
            )
        )
    for package, title in (("torch", "PyTorch"), ("scvi-tools", "scvi-tools")):
        versions = {run.environment[package] for run in runs if run.environment.get(package)}
        if len(versions) > 1:
            found.append(
                FairPlayFinding(
                    f"version_{package.replace('-', '_')}",
                    "note",
                    f"Different versions of {title} were used: {listed(sorted(versions))}.",
                    tuple(run.run_id for run in runs),
                    ("time",),
                )
            )
    return found


def _number(run: RunRecord, name: str) -> float:
    value = run.conditions.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0
