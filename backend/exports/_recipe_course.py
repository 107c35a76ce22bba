"""The parts of a recipe that only some runs need: a learning rate that changes, and another start of the model."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

from ..types import MetricPoint, RunSpec


# Copied into scripts as it stands, hence without types.
def share_of_rate(step, steps, schedule, warmup, end):
    """The part of the learning rate that applies at a step, counted from 0."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (math.floor(rising) + 2)
    if schedule == "constant":
        return 1.0
    gone = min(1.0, (step - rising) / max(1.0, steps - rising))
    left = (1 + math.cos(math.pi * gone)) / 2 if schedule == "cosine" else 1 - gone
    return end + (1 - end) * left


def has_schedule(spec: RunSpec) -> bool:
    return spec.lr_schedule != "constant" or spec.lr_warmup > 0


def followed_schedule(spec: RunSpec, points: Sequence[MetricPoint], per_epoch: int) -> bool:
    """Whether every logged rate is that of one run of this length; not so where it was made longer midway."""
    steps = per_epoch * spec.max_epochs
    return all(
        math.isclose(
            point.value,
            spec.lr
            * share_of_rate(
                point.epoch * per_epoch - 1, steps, spec.lr_schedule, spec.lr_warmup, spec.lr_end
            ),
            rel_tol=1e-4,
            abs_tol=1e-12,
        )
        for point in points
        if point.name == "learning_rate" and has_schedule(spec)
    )


def schedule_code(spec: RunSpec, per_epoch: int) -> str:
    """Code that defines ``RateSchedule``, a callback."""
    function = inspect.getsource(share_of_rate)
    settings = f"{spec.lr_schedule!r}, {spec.lr_warmup!r}, {spec.lr_end!r}"
    return f"""\
import math

from lightning.pytorch.callbacks import Callback

STEPS = {per_epoch * spec.max_epochs}  # minibatches: {per_epoch} an epoch, {spec.max_epochs} epochs planned


{function}

class RateSchedule(Callback):
    def on_train_batch_start(self, trainer, *_):
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = {spec.lr!r} * share_of_rate(trainer.global_step, STEPS, {settings})
"""


def start_code(spec: RunSpec) -> str:
    """Code that changes the untrained ``model``; empty where scvi-tools' own start was taken."""
    lines: list[str] = []
    if spec.norm_momentum != RunSpec(dataset_id="").norm_momentum:
        lines += [
            "",
            "for layer in model.module.modules():",
            "    if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):",
            f"        layer.momentum = {spec.norm_momentum!r}  # of the running averages",
        ]
    if spec.output_start == "gene_means":
        lines += [
            "",
            "# the output begins at each gene's share of all counts of the training cells (20,000 of them)",
            "totals = np.zeros(adata.n_vars)",
            "for first in range(0, len(train[:20_000]), 1000):",
            "    some = np.sort(train[:20_000][first : first + 1000])",
            "    totals += np.asarray(adata.X[some].sum(axis=0)).ravel()",
            "logarithms = np.log(totals + 0.5)",
            "with torch.no_grad():",
            "    model.module.decoder.px_scale_decoder[0].bias.copy_(",
            "        torch.from_numpy((logarithms - logarithms.mean()).astype(np.float32))",
            "    )",
        ]
    return "\n".join(lines)
