"""What comparing runs found, in words: a sentence for each finding of fair play, and one for how the cells lie.

finding_sentence(finding)                              # "On battery power, which can slow a computer down: fused."
agreement_sentences(agreement, {"a": "fused", …})       # "fused finds much the same clusters as stock (…)."
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ..types import Agreement, Effect, FairPlayFinding, RunBiology, RunSpec, settings_of
from ._amounts import count, listed, percent
from ._names import METRICS

_SETTINGS = settings_of(RunSpec)

# --- settings that differ: their names, and where there is one, its values in words


def _differ(settings: Sequence[str], values: Sequence[str]) -> str:
    """ "Training fraction (train_size) differs (50 % and 90 %)"."""
    told = listed([_SETTINGS[name].noun for name in settings])
    verb = "differs" if len(settings) == 1 else "differ"
    return f"{told[0].upper()}{told[1:]} {verb}{_in_brackets(values)}"


def _in_brackets(values: Sequence[str]) -> str:
    return f" ({listed(values if len(values) <= 4 else [*values[:3], 'others'])})" if values else ""


def _data(settings: Sequence[str], values: Sequence[str]) -> str:
    return (
        f"The runs trained on different data{_in_brackets(values)}: neither times nor losses can be compared."
    )


def _genes(counts: Sequence[int]) -> str:
    return (
        f"The number of genes differs ({listed([count(n) for n in counts])}): the loss is a sum over genes."
    )


def _train_size(settings: Sequence[str], values: Sequence[str]) -> str:
    differ = _differ(settings, values)
    return f"{differ}: the losses are of different validation cells, and epochs are not equally long."


def _split() -> str:
    return (
        "The random seeds differ, so the validation cells and the initial weights differ. Train each setting with the "
        "same seeds."
    )


def _seeds(n: int) -> str:
    return f"Each setting was trained with the same {n} seeds, so the noise is known."


def _likelihood(settings: Sequence[str], values: Sequence[str]) -> str:
    return f"{_differ(settings, values)}, so the losses measure different things. Times can be compared."


def _kl_warm_up(settings: Sequence[str], values: Sequence[str], metric: str) -> str:
    if metric in ("validation_loss", "train_loss"):
        return (
            f"{_differ(settings, values)}, so this loss weights the KL divergence differently. Compare the ELBO "
            "instead."
        )
    return f"{_differ(settings, values)}; the {METRICS[metric].words} does not depend on it."


def _kl_weight(least: float, most: float) -> str:
    return (
        f"This loss contains the KL divergence with a weight that rises from epoch to epoch, and where the runs are "
        f"compared it was between {least:.2f} and {most:.2f}. Compare the ELBO instead."
    )


def _dropout(settings: Sequence[str], values: Sequence[str]) -> str:
    return (
        f"{_differ(settings, values)}, and losses of training cells are computed with dropout. Compare a validation "
        "loss instead."
    )


def _epochs(settings: Sequence[str], values: Sequence[str]) -> str:
    return (
        f"The runs were set to train for different numbers of epochs{_in_brackets(values)}: compare the time to the "
        "same loss, not the final loss or the total time."
    )


def _covariates(settings: Sequence[str], values: Sequence[str]) -> str:
    return (
        f"{_differ(settings, values)}: the models answer different questions, so a lower loss need not be a better "
        "model."
    )


def _validation(settings: Sequence[str], values: Sequence[str]) -> str:
    return (
        f"The runs were validated at different intervals{_in_brackets(values)}: validating takes time, a target is "
        "noticed later, and the last validation may be of an earlier epoch."
    )


def _early_stopping(settings: Sequence[str], values: Sequence[str]) -> str:
    return f"{_differ(settings, values)}: runs may end after different numbers of epochs."


# --- the course of some runs, and their conditions: which runs, of how many


def _concerned(runs: Sequence[str], of: int) -> str:
    """Not longer than a sentence bears."""
    if len(runs) == of > 2:
        return f"all {of} runs"
    return listed(runs) if len(runs) <= 4 else f"{', '.join(runs[:3])} and {len(runs) - 3} more"


_OF_RUNS = {
    "running": "Not finished yet, so not ranked: {}.",
    "failed": "Ended without a model, so not ranked: {}.",
    "stopped": "Stopped before all epochs were trained, so not ranked: {}.",
    "early": "Ended by early stopping before all epochs were trained: {}.",
    "fallback": "Did not run as requested, but on another engine or device: {}.",
    "no_validation": "Was never validated, so it has no validation loss: {}.",
    "diverged": "Ended with a loss that is not a number, so not ranked: {}.",
    "extended": "Was extended, so that its learning rate rose again, as in no run of that many epochs in one go: {}.",
    "battery": "On battery power, which can slow a computer down: {}.",
    "throttled": "The processor was throttled (by heat, or by the limit of a container) during {}.",
    "slowed": "Epochs became slower over time, as on a computer that heats up: {}.",
    "uneven": "Epoch times varied widely, as on a computer that is busy with other work: {}.",
    "paused": "Continued after a pause; the first epoch of each part includes warm-up and is left out of the speed: "
    "{}.",
}


def _of_runs(text: str, runs: Sequence[str], of: int) -> str:
    return text.format(_concerned(runs, of))


def _busy(runs: Sequence[str], of: int, load: float) -> str:
    return (
        f"Other programs used up to {percent(min(1.0, load), 0)} of the computer during {_concerned(runs, of)}: on an "
        "idle computer, training would have been faster."
    )


def _machines() -> str:
    return "The runs come from different computers, so times compare computers as well as settings."


def _versions(package: str, versions: Sequence[str]) -> str:
    return f"Different versions of {package} were used: {listed(versions)}."


FINDINGS: dict[str, Callable[..., str]] = {
    Effect.DATA: _data,
    Effect.HELD_OUT: _train_size,
    Effect.SPLIT: _split,
    Effect.LIKELIHOOD: _likelihood,
    Effect.KL_WEIGHT: _kl_warm_up,
    Effect.LENGTH: _epochs,
    Effect.MODEL: _covariates,
    Effect.VALIDATION: _validation,
    Effect.ENDING: _early_stopping,
    "genes": _genes,
    "seeds": _seeds,
    "kl_weight": _kl_weight,
    "dropout": _dropout,
    "busy": _busy,
    "machines": _machines,
    "version_torch": _versions,
    "version_scvi_tools": _versions,
    **{code: partial(_of_runs, text) for code, text in _OF_RUNS.items()},
}


def finding_sentence(finding: FairPlayFinding) -> str:
    return FINDINGS[finding.code](**finding.params)


# --- did it change the biology?

ALIKE, SIMILAR = 0.8, 0.5  # adjusted Rand index
UNCHANGED = 0.02  # of the share of neighbours with the same label, or of the mixing


def agreement_sentences(found: Agreement, names: Mapping[str, str]) -> tuple[str, ...]:
    """How the cells of each run lie beside those of the reference. ``names``: what to call each run, by its id."""
    base = next(run for run in found.runs if run.run_id == found.reference)
    return tuple(
        _beside(run, base, names[run.run_id], names[base.run_id]) for run in found.runs if run is not base
    )


def _beside(run: RunBiology, base: RunBiology, name: str, other: str) -> str:
    if run.same_clusters >= ALIKE:
        text = f"{name} finds much the same clusters as {other}"
    elif run.same_clusters >= SIMILAR:
        text = f"{name} finds clusters similar to those of {other}, with different boundaries"
    else:
        text = f"{name} groups the cells differently from {other}"
    text += f" (adjusted Rand index {run.same_clusters:.2f}, {percent(run.shared_neighbours, 0)} of neighbours shared)."
    for what, mine, theirs in (
        ("Cells with the same label cluster together", run.same_label, base.same_label),
        ("Batches are mixed", run.mixing, base.mixing),
    ):
        if mine is not None and theirs is not None:
            more = "more than" if mine > theirs else "less than"
            text += f" {what} {'as much as' if abs(mine - theirs) <= UNCHANGED else more} in {other}."
    return text
