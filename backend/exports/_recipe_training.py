"""The training of a ``Recipe`` as Python code, by scvi-tools and, where one call of it is enough, the fused engine."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

from ..training import NOTEBOOK_SETTINGS, recalibration_source, share_of_rate
from ..types import RunSpec, settings_of
from ..words import counted
from ._recipe import Course, Recipe, has_schedule


def given(spec: RunSpec, to: str) -> dict[str, Any]:
    """The settings that a call of scvi-tools takes, as their declarations say."""
    values = {name: getattr(spec, name) for name, one in settings_of(RunSpec).items() if one.script == to}
    return {
        name: list(value) or None if isinstance(value, tuple) else value for name, value in values.items()
    }


def can_be_fused(recipe: Recipe) -> bool:
    """Whether one call of ``scvi_studio.train`` is the whole training."""
    course = recipe.course
    return not course.extra_steps and not (has_schedule(recipe.record.spec) and any(course.extensions()))


def training(recipe: Recipe, notebook: bool) -> tuple[str, str]:
    """Words about it, and code that trains ``model``."""
    record, spec = recipe.record, recipe.record.spec
    words = f"{record.epoch} epochs, as in the run."
    if spec.early_stopping and record.epoch < spec.max_epochs:
        words += " Early stopping ended it there; the number of epochs is given instead of the rule."
    epochs = record.epoch
    extra: list[str] = []
    if recipe.course.extra_steps:
        steps = epochs * recipe.course.steps_per_epoch + recipe.course.extra_steps
        epochs += 1
        extra += [f"    max_steps={steps},  # stopped on request within epoch {epochs}"]
        words += f" It was then stopped within the next one, after {counted(steps, 'minibatch', 'minibatches')} in all."
    if not recipe.course.n_validation:
        extra += ["    limit_val_batches=0,"]
    if recipe.precision != "32-true" and recipe.engine == "stock":
        extra += [f"    precision={recipe.precision!r},"]
    before: list[str] = []
    callbacks: list[str] = []
    if has_schedule(spec):
        words += " The learning rate changes from minibatch to minibatch, as it did there."
        if len(set(session.planned for session in recipe.course.sessions)) > 1:
            words += " Where the run was extended it was planned anew."
        before = [_schedule_code(spec, recipe.course), ""]
        callbacks.append("RateSchedule()")
    if spec.norm_recalibration:
        words += " Before each validation, and at the end, the running averages of batch normalisation are recomputed."
        before += [_recalibration_code(), ""]
        callbacks.append("Recalibration()")
    if callbacks:
        extra += [f"    callbacks=[{', '.join(callbacks)}],"]
    both = [
        f"    max_epochs={epochs},",
        f"    batch_size={spec.batch_size},  # cells in one minibatch",
        f"    check_val_every_n_epoch={spec.check_val_every_n_epoch},",
        '    datasplitter_kwargs={"external_indexing": [train, validation, left_out]},',
        f"    plan_kwargs={given(spec, 'plan_kwargs')!r},",
    ]
    device = recipe.device if recipe.device != "cuda" else "gpu"
    code = "\n".join(["model.train(", *both, f"    accelerator={device!r},", *extra, ")"])
    if can_be_fused(recipe):
        words += f" {_how_to_fuse(notebook)}"
        fused = "\n".join(["scvi_studio.train(", "    model,", *both, *_fused_arguments(recipe), ")"])
        code = "\n".join(
            [
                "if FUSED:",
                "    import scvi_studio  # from the repository of scVI Studio: pip install .",
                "",
                textwrap.indent(fused, "    "),
                "else:",
                textwrap.indent(code, "    "),
            ]
        )
    return words, "\n".join([*before, code])


def _how_to_fuse(notebook: bool) -> str:
    how = "Set FUSED = True above" if notebook else "Add --fused to the command"
    return (
        f"{how} to train with the fused engine of scVI Studio instead, if that is installed: faster on a CPU, with "
        "losses equal to about five digits."
    )


_WRITTEN_ELSEWHERE = (  # above for both trainings, or as the number of epochs and the cells they came to
    *("max_epochs", "batch_size", "check_val_every_n_epoch", "lr", "n_epochs_kl_warmup"),
    *("train_size", "early_stopping", "early_stopping_patience", "output_start"),
)


def _fused_arguments(recipe: Recipe) -> list[str]:
    """What ``scvi_studio.train`` takes besides what ``model.train`` takes as well."""
    spec, settings = recipe.record.spec, settings_of(RunSpec)
    executed = spec.replace(accelerator=recipe.device, precision=recipe.precision)
    return [
        f"    {name}={getattr(executed, name)!r},"
        for name in NOTEBOOK_SETTINGS
        if name not in _WRITTEN_ELSEWHERE and getattr(executed, name) != settings[name].default
    ]


def _schedule_code(spec: RunSpec, course: Course) -> str:
    """Code that defines ``RateSchedule``, a callback."""
    per_epoch = course.steps_per_epoch
    plan = {(session.first - 1) * per_epoch: session.planned * per_epoch for session in course.sessions}
    told = "; ".join(f"{s.planned} epochs planned from epoch {s.first} on" for s in course.sessions)
    settings = f"{spec.lr_schedule!r}, {spec.lr_warmup!r}, {spec.lr_end!r}"
    return f"""\
import math

from lightning.pytorch.callbacks import Callback

# from this minibatch on: minibatches planned in all ({per_epoch} an epoch; {told})
PLANNED = {plan!r}


{inspect.getsource(share_of_rate)}

class RateSchedule(Callback):
    def on_train_batch_start(self, trainer, *_):
        step = trainer.global_step
        planned = [steps for first, steps in PLANNED.items() if first <= step][-1]
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = {spec.lr!r} * share_of_rate(step, planned, {settings})
"""


def _recalibration_code() -> str:
    """Code that defines ``Recalibration``, a callback."""
    return f"""\
{recalibration_source()}
from lightning.pytorch.callbacks import Callback
from scvi.dataloaders import AnnDataLoader


def minibatches(cells):
    return AnnDataLoader(model.adata_manager, indices=cells, batch_size=MINIBATCH, shuffle=False)


class Recalibration(Callback):
    step = -1

    def on_validation_start(self, trainer, *_):
        if not trainer.sanity_checking:
            self.at(trainer.global_step)

    def on_train_end(self, trainer, *_):
        if trainer.global_step != self.step:
            self.at(trainer.global_step)

    def at(self, step):
        self.step = step
        averaged = minibatches(some_training_cells(train))
        checked = minibatches((validation if len(validation) else train)[:CHECKED_CELLS])
        with torch.random.fork_rng():  # training goes on with the random numbers it would have had
            recalibrate(
                model.module,
                lambda: through_batch_norms(model.module, averaged),
                lambda: negative_elbo(model.module, checked),
            )
"""
