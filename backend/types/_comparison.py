"""What comparing runs found: numbers per run, what differs, whether it is fair, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._message import Message


@dataclass(frozen=True, slots=True)
class MetricSummary(Message):
    """One quantity over a run, lower being better for every loss."""

    name: str  # "validation_loss", "elbo_train", ...
    best: float
    best_epoch: int
    last: float | None  # None: it ended as no number


@dataclass(frozen=True, slots=True)
class ComparedRun(Message):
    """One run of a comparison, in numbers. ``None`` where it has no such number."""

    run_id: str
    name: str  # as the user calls it
    label: str  # what tells it from the others: "CPU · fused · 512"
    status: str
    device: str  # cpu, mps, cuda
    device_name: str
    engine: str  # as executed
    batch_size: int
    lr: float
    lr_rule: str
    seed: int
    epochs: int  # completed
    max_epochs: int
    imported_from: str = ""
    group_id: str = ""
    machine: str = ""  # "AMD EPYC, 2 cores, Linux 6.1"
    steady_seconds: float | None = None  # median of the epochs that do not also warm up
    warm_up_seconds: float | None = None  # the first epoch, which also warms up
    preparation_seconds: float | None = None  # building the model, compiling kernels; before the first epoch
    cells_per_second: float | None = None  # while steady
    total_seconds: float = 0.0  # training, pauses and preparation left out
    best: float | None = None  # of the comparison's metric
    best_epoch: int | None = None
    last: float | None = None  # after the last epoch, which the model that is kept is of
    time_to_target: float | None = None  # end of the first epoch at or below the target
    target_epoch: int | None = None
    speed_up: float | None = None  # how many times as fast an epoch is as the reference's
    projected_seconds: float | None = None  # of training for ``Comparison.projected_epochs``
    on_front: bool = False  # no other run is both faster and better
    metrics: tuple[MetricSummary, ...] = ()

    def metric(self, name: str) -> MetricSummary | None:
        return next((summary for summary in self.metrics if summary.name == name), None)


@dataclass(frozen=True, slots=True)
class SettingDifference(Message):
    """A setting that is not the same in all runs. ``values`` are in the order of the runs, in words."""

    name: str  # field of RunSpec: "batch_size"
    label: str  # "Minibatch size (batch_size)"
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FairPlayFinding(Message):
    """Something that makes a comparison less than a fair experiment; ``words`` has a sentence for each code.

    ``severity`` is "unfair" (do not conclude), "caution" (may distort) or "note" (good to know).
    """

    code: str  # stable: "data", "split", "epochs", "likelihood", "busy" ...
    severity: str
    params: dict[str, Any] = field(default_factory=dict)  # what the sentence speaks of
    run_ids: tuple[str, ...] = ()
    affects: tuple[str, ...] = ("time", "loss")  # which of the two it touches
    rules_out: tuple[str, ...] = ()  # conclusions that cannot be drawn: see ``Comparison.comparable``


@dataclass(frozen=True, slots=True)
class ComparedSetting(Message):
    """Runs that differ in their seed alone: mean and standard deviation over them."""

    label: str
    run_ids: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: float  # of training, mean
    seconds_sd: float | None  # None: one seed
    loss: float  # the comparison's metric after the last epoch, mean
    loss_sd: float | None
    steady_seconds: float | None = None
    on_front: bool = False
    recommended: bool = False


@dataclass(frozen=True, slots=True)
class Comparison(Message):
    """Everything that comparing some runs found, for a page, a report or a file."""

    runs: tuple[ComparedRun, ...]
    differences: tuple[SettingDifference, ...] = ()
    findings: tuple[FairPlayFinding, ...] = ()
    comparable: tuple[str, ...] = ()  # what can be concluded: final_loss, target, total_time, epoch_time
    settings: tuple[ComparedSetting, ...] = ()
    metric: str = "validation_loss"
    target: float | None = None
    target_chosen: bool = False  # by the user; else the lowest that every run reaches
    reference: str = ""  # run_id that speed-ups refer to: the slowest, unless chosen
    front: tuple[str, ...] = ()  # run_ids of the Pareto set, fastest first
    winner: str = ""  # first at the target; empty where it cannot be told
    recommended: str = ""  # run_id; empty where nothing can be recommended, or several are as good
    verdict: tuple[str, ...] = ()  # sentences, plain text; ``recommendation`` is one of them
    recommendation: str = ""  # the whole sentence; the label of the setting and ``why`` are its two parts
    why: str = ""
    projected_epochs: int = 25  # a useful model

    @property
    def fair(self) -> bool:
        """Nothing was found that may distort the comparison."""
        return all(finding.severity == "note" for finding in self.findings)

    @property
    def best_setting(self) -> ComparedSetting | None:
        """The recommended one."""
        return next((setting for setting in self.settings if setting.recommended), None)

    def run(self, run_id: str) -> ComparedRun:
        return next(run for run in self.runs if run.run_id == run_id)


@dataclass(frozen=True, slots=True)
class RunBiology(Message):
    """How the cells of one run lie, on the cells that all compared runs are judged by."""

    run_id: str
    n_clusters: int
    same_clusters: float  # adjusted Rand index with the reference's clusters: 1 the same, 0 as chance
    shared_neighbours: float  # of a cell's 15 nearest, the share that the reference has as well
    same_label: float | None = None  # of a cell's neighbours, the share with its label
    silhouette: float | None = None  # of the labels, -1 to 1
    mixing: float | None = None  # of batches among neighbours, 1: as mixed as the whole


@dataclass(frozen=True, slots=True)
class Agreement(Message):
    """Did another setting change what the cells look like? Every run against one of them."""

    reference: str  # run_id
    runs: tuple[RunBiology, ...]
    n_cells: int
    chance_neighbours: float  # ``shared_neighbours`` of unrelated runs
    label: str = ""  # columns, where they were named
    batch: str = ""
