"""Is the comparison a fair experiment? What differs that must not, each as one sentence with the runs concerned."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

from ..types import Curves, FairPlayFinding, RunRecord, RunSpec, RunStatus
from ..words import device_word, listed
from ._conditions import conditions
from ._words import concerned

Runs = Sequence[RunRecord]
LOSS, TIME = ("loss",), ("time",)
# With any of these, one loss says nothing about another.
INCOMPARABLE = frozenset({"data", "genes", "likelihood", "kl_warm_up"})


def findings(
    runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves]
) -> tuple[FairPlayFinding, ...]:
    """All findings, worst first. ``names`` is what to call each run (by its id)."""
    found = [*_experiment(runs), *_course(runs, names, curves), *conditions(runs, names, curves)]
    order = {"unfair": 0, "caution": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _experiment(runs: Runs) -> list[FairPlayFinding]:
    found = []
    everybody = tuple(run.run_id for run in runs)

    def add(code: str, severity: str, message: str, affects: tuple[str, ...] = ("time", "loss")) -> None:
        found.append(FairPlayFinding(code, severity, message, everybody, affects))

    if _differ(runs, lambda run: run.spec.dataset_id):
        names = {run.spec.dataset_name or run.spec.dataset_id for run in runs}
        which = f" ({listed(sorted(names)[:4])})" if len(names) > 1 else ""
        add(
            "data",
            "unfair",
            f"The runs trained on different data{which}: neither times nor losses can be compared.",
        )
        if _differ([run for run in runs if run.n_vars], lambda run: run.n_vars):
            counts = listed([f"{n:,}" for n in sorted({run.n_vars for run in runs if run.n_vars})])
            add("genes", "unfair", f"The number of genes differs ({counts}): the loss is a sum over genes.")
    if _differ(runs, lambda run: run.spec.gene_likelihood):
        add(
            "likelihood",
            "unfair",
            "The distribution of counts (gene_likelihood) differs, so the losses measure different things. "
            "Times can be compared.",
            LOSS,
        )
    if _differ(runs, _kl_warm_up):
        add(
            "kl_warm_up",
            "unfair",
            "The KL warm-up differs, so the validation loss weighs its parts differently. Compare the ELBO instead.",
            LOSS,
        )
    if _differ(runs, lambda run: run.spec.train_size):
        add(
            "train_size",
            "unfair",
            "Different shares of the cells were trained on: epochs are not equally long.",
        )
    if _differ(runs, lambda run: (run.spec.batch_key, run.spec.categorical_covariate_keys)):
        add(
            "covariates",
            "caution",
            "The models even out different experimental batches or groups: they answer different questions.",
            LOSS,
        )
    seeds = _seeds(runs)
    if len({frozenset(found) for found in seeds.values()}) > 1:
        add(
            "split",
            "unfair",
            "The random seed differs, so other cells were held out and the start was another one. "
            "Train each setting with the same seeds.",
            LOSS,
        )
    elif len(next(iter(seeds.values()), ())) > 1:
        n = len(next(iter(seeds.values())))
        add("seeds", "note", f"Each setting was trained with the same {n} seeds, so the noise is known.")
    if _differ(runs, lambda run: run.spec.max_epochs):
        counts = listed([str(n) for n in sorted({run.spec.max_epochs for run in runs})])
        add(
            "epochs",
            "unfair",
            f"The runs were to train for different numbers of epochs ({counts}): compare the time to the same loss, "
            "not the final loss or the total time.",
        )
    if _differ(runs, lambda run: run.spec.check_val_every_n_epoch):
        add(
            "validation",
            "caution",
            "The runs were validated at different intervals: validating takes time, and a target is noticed later.",
        )
    return found


def _course(runs: Runs, names: Mapping[str, str], curves: Mapping[str, Curves]) -> list[FairPlayFinding]:
    found = []

    def add(code: str, severity: str, which: list[RunRecord], message: str, *affects: str) -> None:
        if which:
            said = concerned([names[run.run_id] for run in which], len(runs))
            ids = tuple(run.run_id for run in which)
            found.append(
                FairPlayFinding(code, severity, message.format(said), ids, affects or ("time", "loss"))
            )

    gone = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED)
    short = [
        run
        for run in runs
        if run.epoch < run.spec.max_epochs and run.status in (RunStatus.STOPPED, RunStatus.FINISHED)
    ]
    add("running", "caution", [r for r in runs if not r.status.is_over], "Not over yet: {}.")
    add("failed", "unfair", [r for r in runs if r.status in gone], "Ended without a complete model: {}.")
    add("stopped", "caution", short, "Ended before all epochs were trained: {}.")
    fallback = [
        run
        for run in runs
        if (run.environment.get("engine") or run.spec.engine) != run.spec.engine
        or (run.device and run.spec.accelerator not in ("auto", run.device.split(":")[0]))
    ]
    add("fallback", "caution", fallback, "Did not run as asked for, but on another engine or device: {}.")
    add(
        "no_validation",
        "caution",
        [r for r in runs if r.status.has_model and not len(curves[r.run_id]["validation_loss"])],
        "Was never validated, so it has no validation loss: {}.",
        "loss",
    )
    return found


def _seeds(runs: Runs) -> dict[Hashable, set[int]]:
    """Seeds by setting: runs that are the same but for the seed."""
    seeds: dict[Hashable, set[int]] = {}
    for run in runs:
        seeds.setdefault(setting_key(run), set()).add(run.spec.seed)
    return seeds


def setting_key(run: RunRecord) -> Hashable:
    """The same for runs that differ in their seed alone."""
    spec: RunSpec = run.spec.replace(
        seed=0,
        dataset_name="",
        engine=run.environment.get("engine") or run.spec.engine,
        accelerator=device_word(run.device or run.spec.accelerator),
        categorical_covariate_keys=tuple(run.spec.categorical_covariate_keys),
        continuous_covariate_keys=tuple(run.spec.continuous_covariate_keys),
    )
    return repr(spec), run.imported_from


def _kl_warm_up(run: RunRecord) -> int:
    return run.spec.n_epochs_kl_warmup or 0


def _differ(runs: Runs, value: Callable[[RunRecord], Hashable]) -> bool:
    return len({value(run) for run in runs}) > 1
