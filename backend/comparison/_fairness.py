"""Is the comparison a fair experiment, and what can be concluded from it?

Each finding is one sentence with the runs concerned and the conclusions it rules out. What a difference in a setting
does is declared by the setting (``Effect``); here stands what follows from each effect.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Curves, Effect, FairPlayFinding, RunRecord, RunStatus
from ..words import METRICS, listed, percent
from ._differences import SETTINGS, concerned, said, same_setting, value_of
from ._summary import machine, steady_epochs

Runs = Sequence[RunRecord]
FINAL_LOSS, TARGET, TOTAL_TIME, EPOCH_TIME = CONCLUSIONS = (
    "final_loss",  # whose model is better
    "target",  # who is at the same loss first
    "total_time",  # who is done first
    "epoch_time",  # whose epochs are faster
)
BUSY = 0.2  # of the machine, used by others during the run
SLOWED = 1.3  # the last epochs this many times as long as the first ones
UNEVEN = 1.8  # the slowest tenth of the epochs this many times as long as the quickest tenth
LEAST = 8  # steady epochs, to speak of either
_WEIGHTED = ("validation_loss", "train_loss")  # the KL weight enters these
_UNRANKED = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED, RunStatus.STOPPED)


@dataclass(frozen=True, slots=True)
class _Rule:
    """What follows when runs differ in settings of one effect. ``message`` takes the settings and their values."""

    severity: str
    message: str
    rules_out: tuple[str, ...] = ()
    affects: tuple[str, ...] = ("loss",)


_RULES = {
    Effect.DATA: _Rule(
        "unfair",
        "The runs trained on different data{values}: neither times nor losses can be compared.",
        CONCLUSIONS,
        ("time", "loss"),
    ),
    Effect.HELD_OUT: _Rule(
        "unfair",
        "{settings} differs{values}: the losses are of different validation cells, and epochs are not equally long.",
        CONCLUSIONS,
        ("time", "loss"),
    ),
    Effect.LIKELIHOOD: _Rule(
        "unfair",
        "{settings} differs{values}, so the losses measure different things. Times can be compared.",
        (FINAL_LOSS, TARGET),
    ),
    Effect.KL_WEIGHT: _Rule(
        "unfair",
        "{settings} differs{values}, so this loss weights the KL divergence differently. Compare the ELBO instead.",
        (FINAL_LOSS, TARGET),
    ),
    Effect.LENGTH: _Rule(
        "unfair",
        "The runs were set to train for different numbers of epochs{values}: compare the time to the same loss, not "
        "the final loss or the total time.",
        (FINAL_LOSS, TOTAL_TIME),
        ("time", "loss"),
    ),
    Effect.MODEL: _Rule(
        "caution",
        "{settings} differs{values}: the models answer different questions, so a lower loss need not be a better "
        "model.",
    ),
    Effect.VALIDATION: _Rule(
        "caution",
        "The runs were validated at different intervals{values}: validating takes time, and a target is noticed "
        "later.",
        affects=("time", "loss"),
    ),
    Effect.ENDING: _Rule(
        "caution",
        "{settings} differs{values}: runs may end after different numbers of epochs.",
        affects=("time", "loss"),
    ),
}
# SPLIT has a rule of its own: seeds may differ where each setting was trained with the same ones.


def findings(
    runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves], metric: str
) -> tuple[FairPlayFinding, ...]:
    """All findings, worst first. ``names`` is what to call each run (by its id)."""
    found = [*_settings(runs, metric), *_split(runs)]
    found += [*_course(runs, names, curves), *_conditions(runs, names, curves)]
    order = {"unfair": 0, "caution": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def comparable(found: Sequence[FairPlayFinding]) -> tuple[str, ...]:
    """The conclusions that can be drawn."""
    ruled_out = {conclusion for finding in found for conclusion in finding.rules_out}
    return tuple(conclusion for conclusion in CONCLUSIONS if conclusion not in ruled_out)


def can_be_ranked(run: RunRecord) -> bool:
    """Whether it ended by itself with a model: others are shown, and not compared by how they ended."""
    return run.status.is_over and run.status not in _UNRANKED


def _settings(runs: Runs, metric: str) -> list[FairPlayFinding]:
    found = []
    everybody = tuple(run.run_id for run in runs)
    for effect, rule in _RULES.items():
        names = [name for name, one in SETTINGS.items() if one.effect is effect and _differ(runs, name)]
        if effect is Effect.ENDING and not any(run.spec.early_stopping for run in runs):
            names = []  # a patience that nobody has
        if not names:
            continue
        if effect is Effect.KL_WEIGHT and metric not in _WEIGHTED:
            rule = _Rule(
                "note", f"{{settings}} differs{{values}}; the {METRICS[metric].words} does not depend on it."
            )
        told = listed([SETTINGS[name].noun for name in names])
        message = rule.message.format(settings=told[0].upper() + told[1:], values=_values(runs, names))
        if len(names) > 1:
            message = message.replace(" differs", " differ", 1)
        found.append(FairPlayFinding(effect, rule.severity, message, everybody, rule.affects, rule.rules_out))
    genes = sorted({run.n_vars for run in runs if run.n_vars})
    if len(genes) > 1 and _differ(runs, "dataset_id"):
        counts = listed([f"{number:,}" for number in genes])
        message = f"The number of genes differs ({counts}): the loss is a sum over genes."
        found.insert(1, FairPlayFinding("genes", "unfair", message, everybody, ("time", "loss"), CONCLUSIONS))
    return found


def _values(runs: Runs, names: Sequence[str]) -> str:
    """The values of one setting in brackets; of several, or where the words are the same, nothing."""
    if len(names) > 1:
        return ""
    name = names[0]
    known = {said(run, name): value_of(run, name) for run in runs}
    if len(known) < 2:
        return ""
    numbers = all(isinstance(value, (int, float)) for value in known.values())
    texts = sorted(known, key=known.__getitem__ if numbers else str)
    return f" ({listed(texts if len(texts) <= 4 else [*texts[:3], 'others'])})"


def _split(runs: Runs) -> list[FairPlayFinding]:
    everybody = tuple(run.run_id for run in runs)
    seeds: dict[Hashable, set[int]] = {}
    for run in runs:
        seeds.setdefault(same_setting(run), set()).add(run.spec.seed)
    if len({frozenset(found) for found in seeds.values()}) > 1:
        message = (
            "The random seeds differ, so the validation cells and the initial weights differ. "
            "Train each setting with the same seeds."
        )
        return [FairPlayFinding(Effect.SPLIT, "unfair", message, everybody, ("loss",), (FINAL_LOSS, TARGET))]
    number = len(next(iter(seeds.values()), ()))
    if number < 2:
        return []
    message = f"Each setting was trained with the same {number} seeds, so the noise is known."
    return [FairPlayFinding("seeds", "note", message, everybody)]


def _course(runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves]) -> list[FairPlayFinding]:
    found = []

    def add(code: str, severity: str, which: list[RunRecord], message: str, *affects: str) -> None:
        if which:
            which_ones = concerned([names[run.run_id] for run in which], len(runs))
            ids = tuple(run.run_id for run in which)
            found.append(
                FairPlayFinding(code, severity, message.format(which_ones), ids, affects or ("time", "loss"))
            )

    gone = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED)
    left_out = "so not ranked"
    stopped = [run for run in runs if run.status is RunStatus.STOPPED]
    short = [run for run in runs if run.epoch < run.spec.max_epochs and run.status is RunStatus.FINISHED]
    add(
        "running",
        "caution",
        [r for r in runs if not r.status.is_over],
        f"Not finished yet, {left_out}: {{}}.",
    )
    add(
        "failed",
        "caution",
        [r for r in runs if r.status in gone],
        f"Ended without a model, {left_out}: {{}}.",
    )
    add("stopped", "caution", stopped, f"Stopped before all epochs were trained, {left_out}: {{}}.")
    add("early", "caution", short, "Ended by early stopping before all epochs were trained: {}.")
    fallback = [
        run
        for run in runs
        if (run.environment.get("engine") or run.spec.engine) != run.spec.engine
        or (run.device and run.spec.accelerator not in ("auto", run.device.split(":")[0]))
    ]
    add("fallback", "caution", fallback, "Did not run as requested, but on another engine or device: {}.")
    add(
        "no_validation",
        "caution",
        [r for r in runs if r.status.has_model and not len(curves[r.run_id]["validation_loss"])],
        "Was never validated, so it has no validation loss: {}.",
        "loss",
    )
    return found


def _conditions(
    runs: Sequence[RunRecord], names: Mapping[str, str], curves: Mapping[str, Curves]
) -> list[FairPlayFinding]:
    found: list[FairPlayFinding] = []

    def add(code: str, severity: str, which: list[RunRecord], message: str) -> None:
        if which:
            which_ones = concerned([names[run.run_id] for run in which], len(runs))
            ids = tuple(run.run_id for run in which)
            found.append(FairPlayFinding(code, severity, message.format(which_ones), ids, ("time",)))

    load = {run.run_id: _number(run, "other_load") for run in runs}
    busy = [run for run in runs if load[run.run_id] >= BUSY]
    worst = max((load[run.run_id] for run in busy), default=0.0)
    add(
        "busy",
        "caution",
        busy,
        f"Other programs used up to {percent(min(1.0, worst), 0)} of the computer during {{}}: "
        "on an idle computer, training would have been faster.",
    )
    add(
        "battery",
        "caution",
        [run for run in runs if run.conditions.get("on_battery")],
        "On battery power, which can slow a computer down: {}.",
    )
    add(
        "throttled",
        "caution",
        [run for run in runs if run.conditions.get("throttled")],
        "The processor was throttled (by heat, or by the limit of a container) during {}.",
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
    add("slowed", "caution", slowed, "Epochs became slower over time, as on a computer that heats up: {}.")
    add(
        "uneven",
        "caution",
        uneven,
        "Epoch times varied widely, as on a computer that is busy with other work: {}.",
    )
    add(
        "paused",
        "note",
        [run for run in runs if len(curves[run.run_id].warm_up_epochs) > 1],
        "Continued after a pause; the first epoch of each part includes warm-up and is left out of the speed: {}.",
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


def _differ(runs: Runs, name: str) -> bool:
    return len({value_of(run, name) for run in runs}) > 1
