"""The runs of a sweep as tables like the published one: minibatch size, learning rate, time, validation loss.

One table for each way of training (engine, device, and whatever else was varied); seeds are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from ..types import Curves, RunRecord, RunSpec, settings_of
from ..words import device_word

PUBLISHED_NAME = "Published, Apple M-series (MPS)"
PUBLISHED_NOTE = (
    "From the blog post “Training SCVI – Metal acceleration”: Apple M-series, MPS, 90,852 cells, 5 epochs. Another "
    "machine and other cells, so compare the shape, not the numbers. The post does not define its validation loss "
    "beyond the name of the column."
)
BASE_SIZE = 128  # here all learning rate rules agree
_SETTINGS = settings_of(RunSpec)
_ALWAYS = ("engine", "accelerator")
_NEVER = ("dataset_id", "dataset_name", "batch_size", "lr", "seed", "max_epochs")


@dataclass(frozen=True)
class SweepRow:
    batch_size: int
    lr: float
    seconds: float | None = None  # of training; mean over the seeds that are done
    seconds_sd: float | None = None  # None: fewer than two seeds
    loss: float | None = None  # validation loss after the last epoch
    loss_sd: float | None = None
    run_ids: tuple[str, ...] = ()
    state: str = "finished"  # while nothing is done: "queued", "running", "failed" ...
    epoch: int = 0
    max_epochs: int = 0
    fastest: bool = False  # in its table
    best: bool = False


@dataclass(frozen=True)
class SweepTable:
    label: str  # "fused · CPU"
    device: str
    rows: tuple[SweepRow, ...]


PUBLISHED = SweepTable(
    PUBLISHED_NAME,
    "mps",
    tuple(
        SweepRow(size, lr, seconds, None, loss, None, fastest=size == 2048, best=size == 512)
        for size, lr, seconds, loss in (
            (128, 0.001, 100.0, 4911.0),
            (256, 0.002, 89.0, 4880.0),
            (512, 0.004, 83.1, 4856.0),
            (1024, 0.008, 80.5, 4925.0),
            (2048, 0.016, 77.7, 4968.0),
            (4096, 0.032, 79.2, 5228.0),
        )
    ),
)


def variants(runs: Sequence[RunRecord]) -> dict[str, str]:
    """For each run (by id) how it was trained, apart from size, rate and seed: ``fused · CPU``."""
    varied = [name for name in RunSpec.__dataclass_fields__ if name not in (*_ALWAYS, *_NEVER)]
    varied = [name for name in varied if len({getattr(run.spec, name) for run in runs}) > 1]
    rates = {run.spec.lr for run in runs if run.spec.batch_size == BASE_SIZE}
    return {run.run_id: _label(run, varied, several_rates=len(rates) > 1) for run in runs}


def sweep_tables(runs: Sequence[RunRecord], curves: Mapping[str, Curves]) -> list[SweepTable]:
    """One table a variant, in the order the variants first appear."""
    labels = variants(runs)
    members: dict[str, list[RunRecord]] = {}
    for run in runs:
        members.setdefault(labels[run.run_id], []).append(run)
    tables = []
    for label, own in members.items():
        points: dict[tuple[int, float], list[RunRecord]] = {}
        for run in [*own, *_shared(own, runs)]:
            points.setdefault((run.spec.batch_size, run.spec.lr), []).append(run)
        rows = [_row(size, lr, points[size, lr], curves) for size, lr in sorted(points)]
        tables.append(SweepTable(label, own[0].device or own[0].spec.accelerator, _marked(rows)))
    return tables


def _label(run: RunRecord, varied: Sequence[str], *, several_rates: bool) -> str:
    spec = run.spec
    parts = [spec.engine, device_word(spec.accelerator)]
    parts += [_SETTINGS[name].in_label(getattr(spec, name)) for name in varied]
    if several_rates and spec.batch_size == BASE_SIZE:
        parts.append(_SETTINGS["lr"].in_label(spec.lr))
    return " · ".join(parts)


def _shared(own: Sequence[RunRecord], runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs of other rules that are the same as this rule's would have been, so that they were trained once."""
    if any(run.spec.batch_size == BASE_SIZE for run in own):
        return []
    like = own[0].spec.replace(**_blank(own[0].spec))
    return [
        run
        for run in runs
        if run.spec.batch_size == BASE_SIZE
        and run.spec.lr_rule != own[0].spec.lr_rule
        and run.spec.replace(**_blank(run.spec)) == like
    ]


def _blank(spec: RunSpec) -> dict[str, object]:
    return {"batch_size": 2, "lr": 0.0, "lr_rule": "", "seed": 0, "max_epochs": 1, "dataset_name": ""}


def _row(size: int, lr: float, runs: Sequence[RunRecord], curves: Mapping[str, Curves]) -> SweepRow:
    done = [run for run in runs if run.status.has_model]
    ids = tuple(run.run_id for run in runs)
    if not done:
        state = next((run for run in runs if run.status == "running"), runs[0])
        return SweepRow(
            size, lr, run_ids=ids, state=state.status, epoch=state.epoch, max_epochs=state.spec.max_epochs
        )
    losses = [loss for run in done if (loss := last_loss(curves[run.run_id])) is not None]
    seconds = [run.elapsed for run in done]
    return SweepRow(
        size,
        lr,
        fmean(seconds),
        stdev(seconds) if len(seconds) > 1 else None,
        fmean(losses) if losses else None,
        stdev(losses) if len(losses) > 1 else None,
        run_ids=ids,
        state=done[0].status,
        epoch=min(run.epoch for run in done),
        max_epochs=done[0].spec.max_epochs,
    )


def last_loss(curves: Curves) -> float | None:
    """Validation loss after the last epoch that has one; None where it is no number."""
    values = curves["validation_loss"].value
    return float(values[-1]) if len(values) and math.isfinite(values[-1]) else None


def _marked(rows: Sequence[SweepRow]) -> tuple[SweepRow, ...]:
    """With the quickest and the lowest loss of at least two marked."""
    timed = [row.seconds for row in rows if row.seconds is not None]
    lossy = [row.loss for row in rows if row.loss is not None]
    return tuple(
        replace(
            row,
            fastest=len(timed) > 1 and row.seconds == min(timed),
            best=len(lossy) > 1 and row.loss == min(lossy),
        )
        for row in rows
    )
