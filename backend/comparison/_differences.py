"""What is not the same in all compared runs, and from that a short name for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..types import RunRecord, SettingDifference
from ._words import IN_LABELS, LABELS, said, short, value_of


def differences(runs: Sequence[RunRecord]) -> tuple[SettingDifference, ...]:
    found = [
        SettingDifference(name, LABELS[name], tuple(said(run, name) for run in runs))
        for name in differing(runs)
    ]
    # a field may differ where the words do not (a data set prepared twice under one name): then the names stay
    return tuple(found)


def differing(runs: Sequence[RunRecord]) -> list[str]:
    """Names of the settings that differ; what is not known of a run (yet) does not count."""
    names = []
    for name in LABELS:
        values = [value_of(run, name) for run in runs]
        if name in ("device_name", "platform", "torch", "scvi-tools", "n_obs", "n_vars", "implementation"):
            values = [value for value in values if value]
        if len(set(values)) > 1:
            names.append(name)
    return names


def labels(runs: Sequence[RunRecord], *, with_seeds: bool = True) -> list[str]:
    """A label per run from what differs: "CPU · fused · minibatch 512". Never the same twice.

    Without seeds: of the setting, the same for all its runs.
    """
    names = set(differing(runs))
    if not with_seeds:
        names.discard("seed")
    if "batch_size" in names and "lr_rule" not in names and _lr_follows(runs):
        names.discard("lr")
    if "lr" in names and len({run.spec.lr_rule for run in runs}) > 1:
        names.discard("lr")  # the rule says it
    made = [" · ".join(short(run, name) for name in IN_LABELS if name in names) or run.name for run in runs]
    made = _tell_apart(made, [f"from {run.imported_from}" if run.imported_from else "" for run in runs])
    if not with_seeds:
        return made
    made = _tell_apart(
        made, ["" if run.name == label else run.name for run, label in zip(runs, made, strict=True)]
    )
    counted = Counter(made)
    return _tell_apart(
        made, [run.run_id[-6:] if counted[m] > 1 else "" for run, m in zip(runs, made, strict=True)]
    )


def _lr_follows(runs: Sequence[RunRecord]) -> bool:
    """The learning rate is a matter of the minibatch size alone."""
    rates: dict[int, set[float]] = {}
    for run in runs:
        rates.setdefault(run.spec.batch_size, set()).add(run.spec.lr)
    return all(len(found) == 1 for found in rates.values())


def _tell_apart(made: list[str], more: list[str]) -> list[str]:
    counted = Counter(made)
    return [
        f"{label} · {extra}" if counted[label] > 1 and extra else label
        for label, extra in zip(made, more, strict=True)
    ]
