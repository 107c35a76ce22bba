"""Training of somebody's own ``SCVI``, in a notebook: no data set, no workspace, no run folder.

    train_model(model, max_epochs=20)            # as model.train(max_epochs=20), by the fused engine
    train_model(model, course="recommended")     # the course that the dashboard begins with
    train_model(model, course="recommended", max_epochs=40, norm_recalibration=False)

Same losses, ``history`` and split as ``model.train()`` with the same ``scvi.settings.seed``. A model that the fused
engine cannot train exactly is trained by ``model.train()`` itself, with a warning that says why.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import BadInput, TrainingFailed
from ..types import MetricPoint, Notice, RunSpec, Section, notice, settings_of
from ..words import sentence
from ._check import check_settings
from ._presets import kl_warmup, lagging_steps, preset
from ._resuming import Split, split_cells

# scvi-tools' models and modules have no types, and a setting has its own: ``Any``.

_FOLLOWS = ("lr_rule", "seed")  # from the rate that is given; from scvi.settings.seed
SETTINGS = tuple(
    name
    for name, one in settings_of(RunSpec).items()
    if (one.section in (Section.TRAINING, Section.OPTIMISATION) or name == "accelerator")
    and name not in _FOLLOWS
)
_IN_THE_BAR = ("train_loss", "elbo_validation")


def train_model(
    model: Any,
    max_epochs: int | None = None,
    *,
    course: str = "scvi-tools",
    plan_kwargs: Mapping[str, Any] | None = None,
    datasplitter_kwargs: Mapping[str, Any] | None = None,
    progress_bar: bool = True,
    **settings: Any,
) -> None:
    """Train an ``scvi.model.SCVI`` in place, with the fused engine.

    Afterwards it is what ``model.train()`` leaves: ``is_trained_``, ``history`` and the indices of the split are set,
    and ``save`` and ``load`` are scvi-tools' own. Interrupted, it keeps what it has learned.

    Parameters
    ----------
    model
        Set up by scvi-tools on an AnnData in memory.
    max_epochs
        Left out: those of the course.
    course
        Where the settings start from: ``scvi-tools`` (its defaults), ``recommended`` or ``quick``.
    plan_kwargs
        More settings, for calls written for ``model.train``: ``lr`` and ``n_epochs_kl_warmup`` stand there.
    datasplitter_kwargs
        ``{"external_indexing": [train, validation]}``: positions of the cells, as in ``model.train``, which wins over
        ``train_size``.
    settings
        Any of ``SETTINGS``, which win over the course: ``batch_size``, ``lr``, ``train_size``, ``early_stopping``,
        ``norm_recalibration``, ``accelerator`` ... See ``RunSpec`` for what each means.

    Raises
    ------
    BadInput
        Not an ``SCVI`` with cells, or a setting that does not exist or has an impossible value.
    DeviceUnavailable
        The accelerator is not there.
    TrainingFailed
        The loss became infinite or NaN.
    """
    import scvi

    from ..devices import resolve_accelerator
    from ._course import begin
    from ._engines import FusedEngine, obstacle_of_own

    _require_cells(model)
    given = {**settings, **(plan_kwargs or {})}
    spec = _spec(model, given if max_epochs is None else {**given, "max_epochs": max_epochs}, course)
    accelerator, _ = resolve_accelerator(spec.accelerator)
    if datasplitter_kwargs:
        split = _own_split(model.adata.n_obs, spec.batch_size, datasplitter_kwargs)
    else:
        split = split_cells(model.adata.n_obs, spec.train_size, spec.batch_size, scvi.settings.seed)
    if spec.early_stopping and not len(split.validation):
        spec = spec.replace(early_stopping=False)
        _warn((notice("early_stopping_left_out"),))
    _warn(split.notices)
    if steps := lagging_steps(spec, model.adata.n_obs):
        lag = notice("averages_lag", steps=steps, momentum=spec.norm_momentum)
        _warn((lag,), " That is norm_recalibration=True.")
    option = obstacle_of_own(model)
    fell_back: tuple[Notice, ...] = (notice("engine_fell_back", option=option),) if option else ()
    if not option:
        ready = FusedEngine().prepare(model, spec, accelerator.name)
        fell_back = ready.notices if ready.engine == "stock" else ()
    _warn(fell_back, " That is scvi-tools' own model.train(), with the same settings.")
    begin(model, spec, split.train)
    (_train_stock if fell_back else _train_fused)(model, spec, split, accelerator.name, progress_bar)


def _require_cells(model: Any) -> None:
    from scvi.model import SCVI

    if not isinstance(model, SCVI):
        raise BadInput(
            f"Only scvi.model.SCVI can be trained here. Call train() of the {type(model).__name__} itself."
        )
    if model.adata is None or model.module is None:
        raise BadInput("The model has no cells. Make it with SCVI(adata), after SCVI.setup_anndata(adata).")


def _spec(model: Any, given: dict[str, Any], course: str) -> RunSpec:
    if unknown := sorted(set(given) - set(SETTINGS)):
        raise BadInput(
            f"{unknown[0]!r} is not a setting of this training, but may be one of model.train(). "
            f"There are {', '.join(sorted(SETTINGS))}."
        )
    fields = preset(course, model.adata.n_obs)
    check_settings(RunSpec(dataset_id="", **(fields | given)))
    if "max_epochs" in given and fields["n_epochs_kl_warmup"] < fields["max_epochs"]:
        fields["n_epochs_kl_warmup"] = kl_warmup(given["max_epochs"])  # still ends within the run
    if course == "scvi-tools" and not given.get("early_stopping"):
        fields["check_val_every_n_epoch"] = (fields | given)["max_epochs"] + 1  # never, as in model.train
    fields |= given
    fields["n_epochs_kl_warmup"] = fields["n_epochs_kl_warmup"] or None
    if model.is_trained_:
        fields["output_start"] = "random"  # which leaves what it has learned
    if model.module.batch_representation != "one-hot":
        if given.get("norm_recalibration"):
            raise BadInput("Batch embeddings cannot be recalibrated. Leave norm_recalibration out.")
        fields["norm_recalibration"] = False
    return RunSpec(dataset_id="", **fields)


def _own_split(n_obs: int, batch_size: int, given: Mapping[str, Any]) -> Split:
    import numpy as np

    parts = [np.asarray(part) for part in given.get("external_indexing") or ()]
    if set(given) != {"external_indexing"} or not 1 <= len(parts) <= 3:
        raise BadInput(
            "datasplitter_kwargs takes external_indexing alone: the positions of the training cells, of the validation "
            "cells and of those left out."
        )
    parts = [part if len(part) else np.zeros(0, np.intp) for part in parts]
    together = np.concatenate(parts)
    if together.dtype.kind not in "iu":
        raise BadInput("external_indexing takes positions of cells, which are whole numbers.")
    if len(np.unique(together)) < len(together) or not np.isin(together, np.arange(n_obs)).all():
        raise BadInput(
            f"external_indexing takes positions of cells, each once and from 0 to {n_obs - 1}, the last cell."
        )
    parts += [np.zeros(0, np.intp)] * (3 - len(parts))
    train, validation, test = (part.astype(np.intp) for part in parts)
    if len(train) % batch_size == 1:
        raise BadInput(
            "The last minibatch would have one cell, which cannot be normalised. Leave a training cell out, or change "
            "batch_size."
        )
    if not len(train):
        raise BadInput("external_indexing has no cells to train on.")
    return Split(train, validation, test)


def _warn(notices: Iterable[Notice], more: str = "") -> None:
    for one in notices:
        warnings.warn(sentence(one) + more, UserWarning, stacklevel=3)  # at the caller of ``train_model``


def _train_fused(model: Any, spec: RunSpec, split: Split, accelerator: str, progress_bar: bool) -> None:
    from tqdm.auto import tqdm

    from ..network import make_ordinary
    from ._course import EarlyStop, Recalibration
    from ._failures import diverged
    from ._fused import FusedFit
    from ._watch import HistoryLogger, RunWatch

    shown: dict[str, str] = {}

    def show(point: MetricPoint) -> None:
        if point.step is None:
            bar.update(point.epoch - bar.n)
        if point.name in _IN_THE_BAR:
            shown[point.name] = f"{point.value:.4g}"
            bar.set_postfix(shown)

    history = HistoryLogger()
    earlier = model.history_ if model.is_trained_ and isinstance(model.history_, dict) else {}
    with tqdm(total=spec.max_epochs, desc="Training", disable=not progress_bar) as bar:
        watch = RunWatch(show, lambda: False, lambda device: None, len(split.train), time.monotonic)
        callbacks: list[Any] = [watch]
        if spec.norm_recalibration:
            callbacks.append(Recalibration(model, split.train, split.validation))
        if spec.early_stopping:
            callbacks.append(EarlyStop(watch, spec.early_stopping_patience))
        fit = FusedFit(model, spec, split, accelerator, callbacks, history=history)
        try:
            fit.run()
        finally:  # also where it was interrupted
            make_ordinary(model.module)
            if watch.epochs and not watch.diverged:
                history.series = history.until(watch.epochs)
                fit.conclude()
                model.history_ = _joined(earlier, model.history_)
    if watch.diverged:
        problem = diverged(spec, accelerator, 0)
        remedy = problem.remedies[0].label
        raise TrainingFailed(
            f"The loss became infinite or NaN in epoch {watch.epochs + 1}. {remedy}, on a new model."
        )


def _joined(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """As scvi-tools goes on with the history of a model that is trained once more."""
    import pandas as pd

    if not earlier:
        return later
    joined = dict(earlier)
    for name in earlier.keys() & later.keys():
        frame = later[name]
        frame.index = pd.RangeIndex(len(earlier[name]), len(earlier[name]) + len(frame))
        joined[name] = pd.concat([earlier[name], frame])
        joined[name].index.name = earlier[name].index.name
    return joined


def _train_stock(model: Any, spec: RunSpec, split: Split, accelerator: str, progress_bar: bool) -> None:
    from ._course import Recalibration, rate_callbacks

    callbacks = rate_callbacks(spec)
    if spec.norm_recalibration:
        callbacks.append(Recalibration(model, split.train, split.validation))
    model.train(
        max_epochs=spec.max_epochs,
        accelerator=accelerator,
        batch_size=spec.batch_size,
        check_val_every_n_epoch=spec.check_val_every_n_epoch,
        early_stopping=spec.early_stopping,
        early_stopping_patience=spec.early_stopping_patience,
        datasplitter_kwargs={"external_indexing": split.as_external_indexing()},
        plan_kwargs={"lr": spec.lr, "n_epochs_kl_warmup": spec.n_epochs_kl_warmup},
        callbacks=callbacks,
        precision=spec.precision,
        enable_progress_bar=progress_bar,
        **({} if len(split.validation) else {"limit_val_batches": 0}),
    )
