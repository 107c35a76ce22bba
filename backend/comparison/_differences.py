"""What is not the same in all compared runs, in words, and from that a short name for each.

Every setting of a run is compared; its label and its values in words are those that it declares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..types import Effect, RunRecord, RunSpec, SettingDifference, settings_of
from ..words import count, device_word

# A setting's value is ``Any`` of the types that a setting can have; it is compared and said, no more.

SETTINGS = {name: one for name, one in settings_of(RunSpec).items() if one.effect is not Effect.NAME}
_FACTS = {  # of a run besides its settings; what is not known (yet) does not count as different
    "n_obs": "Cells",
    "n_vars": "Genes",
    "implementation": "Computed with",
    "device_name": "Processor",
    "platform": "Operating system",
    "torch": "PyTorch",
    "scvi-tools": "scvi-tools",
}
# in labels of runs these come first, and those last
_FIRST = ("accelerator", "engine", "batch_size", "lr_rule", "lr", "gene_likelihood")
_LAST = ("max_epochs", "dataset_id", "seed")
_IN_LABELS = (*_FIRST, *(name for name in SETTINGS if name not in (*_FIRST, *_LAST)), *_LAST)


def value_of(run: RunRecord, name: str) -> Any:
    """The value of a setting or a fact as executed, where that is known."""
    match name:
        case "accelerator":
            return (run.device or run.spec.accelerator).split(":")[0]
        case "engine":
            return run.environment.get("engine") or run.spec.engine
        case "n_epochs_kl_warmup":
            return run.spec.n_epochs_kl_warmup or None
        case "n_obs" | "n_vars" | "implementation" | "device_name":
            return getattr(run, name)
        case "platform" | "torch" | "scvi-tools":
            return run.environment.get(name, "")
    return getattr(run.spec, name)


def said(run: RunRecord, name: str) -> str:
    """The same in words."""
    value = value_of(run, name)
    if name == "dataset_id":
        return run.spec.dataset_name or run.spec.dataset_id
    if name == "accelerator":
        return device_word(value)
    if name in SETTINGS:
        return SETTINGS[name].said(value)
    return count(value) if isinstance(value, int) and value else str(value or "not known")


def differences(runs: Sequence[RunRecord]) -> tuple[SettingDifference, ...]:
    # the words may be the same where a field differs: a data set prepared twice under one name
    return tuple(
        SettingDifference(
            name,
            SETTINGS[name].label if name in SETTINGS else _FACTS[name],
            tuple(said(run, name) for run in runs),
        )
        for name in differing(runs)
    )


def differing(runs: Sequence[RunRecord]) -> list[str]:
    """Names of the settings and facts that differ."""
    found = [name for name in SETTINGS if len({value_of(run, name) for run in runs}) > 1]
    return found + [name for name in _FACTS if len({value_of(run, name) for run in runs} - {0, ""}) > 1]


def same_setting(run: RunRecord) -> tuple[Any, ...]:
    """Equal for runs that differ in their seed alone."""
    return (run.imported_from, *(value_of(run, name) for name in SETTINGS if name != "seed"))


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
    made = [" · ".join(_short(run, name) for name in _IN_LABELS if name in names) or run.name for run in runs]
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


def _short(run: RunRecord, name: str) -> str:
    return SETTINGS[name].in_label(value_of(run, name), said(run, name))
