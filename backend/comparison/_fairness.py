"""Is the comparison a fair experiment, and what can be concluded from it?

Each finding has the runs concerned and the conclusions it rules out; ``words`` says it. What a difference in a setting
does is declared by the setting (``Effect``); here stands what follows from each effect.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from ..types import Curves, Effect, FairPlayFinding, RunRecord, RunStatus
from ._differences import SETTINGS, said, same_setting, value_of
from ._summary import ends_as_number, machine, steady_epochs

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
_OF_TRAINING = ("train_loss", "elbo_train", "reconstruction_loss_train")  # computed with dropout
SAME_WEIGHT = 0.1  # of the KL divergence: what a difference in it adds is no more than noise
_UNRANKED = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED, RunStatus.STOPPED)

# What differs in settings of one effect: how grave it is, what it rules out, what it touches. SPLIT has a rule of its
# own: seeds may differ where each setting was trained with the same ones.
_Rule = tuple[str, tuple[str, ...], tuple[str, ...]]
_BOTH, _LOSS = ("time", "loss"), ("loss",)
_RULES: dict[Effect, _Rule] = {
    Effect.DATA: ("unfair", CONCLUSIONS, _BOTH),
    Effect.HELD_OUT: ("unfair", CONCLUSIONS, _BOTH),
    Effect.LIKELIHOOD: ("unfair", (FINAL_LOSS, TARGET), _LOSS),
    Effect.KL_WEIGHT: ("unfair", (FINAL_LOSS, TARGET), _LOSS),
    Effect.LENGTH: ("unfair", (FINAL_LOSS, TOTAL_TIME), _BOTH),
    Effect.MODEL: ("caution", (), _LOSS),
    Effect.VALIDATION: ("caution", (), _BOTH),
    Effect.ENDING: ("caution", (), _BOTH),
}


def findings(
    runs: Runs,
    names: Mapping[str, str],
    curves: Mapping[str, Curves],
    metric: str,
    arrivals: Mapping[str, int] | None = None,
) -> tuple[FairPlayFinding, ...]:
    """All findings, worst first.

    ``names`` is what to call each run (by its id), ``arrivals`` the epoch at whose end it was at the target.
    """
    found = [*_settings(runs, metric), *_split(runs), *_weights(runs, metric, arrivals or {})]
    found += [*_course(runs, names, curves, metric), *_conditions(runs, names, curves)]
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
    for effect, (severity, rules_out, affects) in _RULES.items():
        names = [name for name, one in SETTINGS.items() if one.effect is effect and _differ(runs, name)]
        if effect is Effect.ENDING and not any(run.spec.early_stopping for run in runs):
            names = []  # a patience that nobody has
        if not names:
            continue
        params: dict[str, object] = {"settings": names, "values": _values(runs, names)}
        if effect is Effect.KL_WEIGHT:
            params["metric"] = metric
            if metric not in _WEIGHTED:
                severity, rules_out = "note", ()
        found.append(FairPlayFinding(effect, severity, params, _ids(runs), affects, rules_out))
    if metric in _OF_TRAINING and _differ(runs, "dropout_rate"):
        params = {"settings": ["dropout_rate"], "values": _values(runs, ["dropout_rate"])}
        found.append(FairPlayFinding("dropout", "unfair", params, _ids(runs), _LOSS, (FINAL_LOSS, TARGET)))
    genes = sorted({run.n_vars for run in runs if run.n_vars})
    if len(genes) > 1 and _differ(runs, "dataset_id"):
        found.insert(1, FairPlayFinding("genes", "unfair", {"counts": genes}, _ids(runs), _BOTH, CONCLUSIONS))
    return found


def _values(runs: Runs, names: Sequence[str]) -> list[str]:
    """The values of one setting in words; of several, or where the words are the same, none."""
    if len(names) > 1:
        return []
    name = names[0]
    known = {said(run, name): value_of(run, name) for run in runs}
    if len(known) < 2:
        return []
    numbers = all(isinstance(value, (int, float)) for value in known.values())
    return sorted(known, key=known.__getitem__ if numbers else str)


def _split(runs: Runs) -> list[FairPlayFinding]:
    seeds: dict[Hashable, set[int]] = {}
    for run in runs:
        seeds.setdefault(same_setting(run), set()).add(run.spec.seed)
    if len({frozenset(found) for found in seeds.values()}) > 1:
        return [FairPlayFinding(Effect.SPLIT, "unfair", {}, _ids(runs), _LOSS, (FINAL_LOSS, TARGET))]
    number = len(next(iter(seeds.values()), ()))
    return [FairPlayFinding("seeds", "note", {"n": number}, _ids(runs))] if number > 1 else []


def _weights(runs: Runs, metric: str, arrivals: Mapping[str, int]) -> list[FairPlayFinding]:
    """Runs of one warm-up that are compared after different numbers of epochs: at different KL weights."""
    if metric not in _WEIGHTED or _differ(runs, "n_epochs_kl_warmup"):
        return []
    warm_up = runs[0].spec.n_epochs_kl_warmup if runs else None
    if not warm_up:
        return []
    ends = [run.epoch for run in runs if can_be_ranked(run) and run.epoch]
    seen, rules_out = set(), []
    for conclusion, epochs in ((FINAL_LOSS, ends), (TARGET, list(arrivals.values()))):
        weights = [min(1.0, (epoch - 1) / warm_up) for epoch in epochs]  # scvi-tools counts epochs from 0
        if weights and max(weights) - min(weights) > SAME_WEIGHT:
            seen |= {min(weights), max(weights)}
            rules_out.append(conclusion)
    if not rules_out or (rules_out == [FINAL_LOSS] and _differ(runs, "max_epochs")):
        return []  # that the numbers of epochs differ has been said
    params = {"least": min(seen), "most": max(seen)}
    return [FairPlayFinding("kl_weight", "unfair", params, _ids(runs), _LOSS, tuple(rules_out))]


def _course(
    runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves], metric: str
) -> list[FairPlayFinding]:
    gone = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED)
    found = [
        ("running", [run for run in runs if not run.status.is_over], _BOTH),
        ("failed", [run for run in runs if run.status in gone], _BOTH),
        ("stopped", [run for run in runs if run.status is RunStatus.STOPPED], _BOTH),
        (
            "early",
            [run for run in runs if run.epoch < run.spec.max_epochs and run.status is RunStatus.FINISHED],
            _BOTH,
        ),
        ("fallback", [run for run in runs if _fell_back(run)], _BOTH),
        (
            "no_validation",
            [run for run in runs if run.status.has_model and not len(curves[run.run_id]["validation_loss"])],
            _LOSS,
        ),
        ("diverged", [run for run in runs if not ends_as_number(curves[run.run_id][metric])], _LOSS),
        ("extended", [run for run in runs if _rose_again(run, curves[run.run_id])], _LOSS),
    ]
    return [_of_runs(code, "caution", which, runs, names, affects) for code, which, affects in found if which]


def _of_runs(
    code: str,
    severity: str,
    which: Runs,
    runs: Runs,
    names: Mapping[str, str],
    affects: tuple[str, ...] = ("time",),
    **more: object,
) -> FairPlayFinding:
    params = {"runs": [names[run.run_id] for run in which], "of": len(runs), **more}
    return FairPlayFinding(code, severity, params, _ids(which), affects)


def _fell_back(run: RunRecord) -> bool:
    engine = run.environment.get("engine") or run.spec.engine
    elsewhere = bool(run.device) and run.spec.accelerator not in ("auto", run.device.split(":")[0])
    return engine != run.spec.engine or elsewhere


def _rose_again(run: RunRecord, curves: Curves) -> bool:
    """Whether the learning rate went up after its warm-up, or down in it: planned for fewer epochs at first."""
    epochs, rates = curves["learning_rate"].finite()
    change = np.diff(rates) / run.spec.lr
    if run.spec.lr_schedule == "constant":
        return bool((change < -1e-6).any())
    return bool((change[epochs[1:] > run.spec.lr_warmup * run.spec.max_epochs + 1] > 1e-6).any())


def _conditions(runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves]) -> list[FairPlayFinding]:
    load = {run.run_id: _number(run, "other_load") for run in runs}
    busy = [run for run in runs if load[run.run_id] >= BUSY]
    found = []
    if busy:
        worst = max(load[run.run_id] for run in busy)
        found.append(_of_runs("busy", "caution", busy, runs, names, load=worst))
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
    for code, severity, which in (
        ("battery", "caution", [run for run in runs if run.conditions.get("on_battery")]),
        ("throttled", "caution", [run for run in runs if run.conditions.get("throttled")]),
        ("slowed", "caution", slowed),
        ("uneven", "caution", uneven),
        ("paused", "note", [run for run in runs if len(curves[run.run_id].warm_up_epochs) > 1]),
    ):
        if which:
            found.append(_of_runs(code, severity, which, runs, names))
    if len({machine(run) for run in runs} - {""}) > 1 or len({run.imported_from for run in runs}) > 1:
        found.append(FairPlayFinding("machines", "note", {}, _ids(runs), ("time",)))
    for package, title in (("torch", "PyTorch"), ("scvi-tools", "scvi-tools")):
        versions = sorted({run.environment[package] for run in runs if run.environment.get(package)})
        if len(versions) > 1:
            code, params = f"version_{package.replace('-', '_')}", {"package": title, "versions": versions}
            found.append(FairPlayFinding(code, "note", params, _ids(runs), ("time",)))
    return found


def _ids(runs: Runs) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def _number(run: RunRecord, name: str) -> float:
    value = run.conditions.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _differ(runs: Runs, name: str) -> bool:
    return len({value_of(run, name) for run in runs}) > 1
