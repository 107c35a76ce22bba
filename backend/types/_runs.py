"""What became of a run, and the numbers on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ._message import Message
from ._notices import Notice, Noticed
from ._spec import RunSpec


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # ended midway, the model is kept
    FAILED = "failed"
    CANCELED = "canceled"  # never began, or discarded on request
    INTERRUPTED = "interrupted"  # the process died

    @property
    def is_over(self) -> bool:
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)

    @property
    def has_model(self) -> bool:
        return self in (RunStatus.FINISHED, RunStatus.STOPPED)


@dataclass(frozen=True, slots=True)
class Remedy(Message):
    """One button: a caption and the change it makes.

    ``action`` names what to do: ``resubmit`` (a run with ``changes`` applied to its spec) or
    ``prepare`` (a dataset with ``changes`` applied to its ``PrepareSpec``).
    """

    label: str
    action: str
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem(Message):
    """Something wrong, as a sentence a biologist understands, with what can be done about it."""

    code: str  # stable, for tests and icons: "empty_cells", "diverged", ...
    severity: str  # "error" (cannot train; with remedies: without one of them), "warning", "info"
    message: str
    remedies: tuple[Remedy, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)  # what the sentence speaks of, for programs


@dataclass(frozen=True, slots=True)
class RunRecord(Noticed):
    """One row of the registry. Times are Unix seconds; ``elapsed`` is training time over all sessions."""

    run_id: str
    spec: RunSpec
    status: RunStatus
    name: str
    created_at: float
    note: str = ""
    tags: tuple[str, ...] = ()
    origin: str = "dashboard"  # dashboard or command line
    position: float = 0.0  # order in the queue, lowest first
    started_at: float | None = None
    ended_at: float | None = None
    elapsed: float = 0.0
    epoch: int = 0  # epochs completed
    device: str = ""  # where the tensors were: "cpu", "mps:0", "cuda:0"
    device_name: str = ""  # "Apple M3 Pro", "AMD EPYC"
    implementation: str = (
        ""  # what the engine computed with: "CPU kernels (numba)", "torch on MPS", "scvi-tools"
    )
    preparation_seconds: float | None = (
        None  # making the engine ready, over all sessions, no part of ``elapsed``
    )
    phase: str = ""  # what a running run is doing: "loading data", "training", "saving"
    requested: str = ""  # "stop" or "cancel" once asked for and not yet obeyed
    n_obs: int = 0
    n_vars: int = 0
    best_validation: float | None = None  # the lowest value of ``judged_by``
    best_epoch: int | None = None
    last_validation: float | None = None  # its last value, of the model that is kept
    judged_by: str = "validation_loss"  # "elbo_validation" (KL weight 1) in every run that logged it
    seconds_per_epoch: float | None = None  # median of the steady epochs
    cells_per_second: float | None = None
    peak_memory: int | None = None  # bytes, resident set of the process
    notices: tuple[Notice, ...] = ()  # fallbacks and warnings worth showing with the run
    problem: Problem | None = None  # why it failed or ended early
    environment: dict[str, str] = field(default_factory=dict)  # versions, machine
    group_id: str = ""  # the sweep, duel or import it belongs to
    imported_from: str = ""  # not empty: a read-only run brought from that machine
    conditions: dict[str, Any] = field(default_factory=dict)  # how busy the machine was: "other_load" ...
    worker: str = ""  # the place that trained it last: "worker 2"; empty: the program that asked for it


@dataclass(frozen=True, slots=True)
class MetricPoint(Message):
    """One number. ``name`` is scvi-tools' own where it has one (``validation_loss``, ``elbo_train`` ...).

    Ours: ``epoch_seconds``, ``cells_per_second``, ``memory_bytes``, ``train_loss_step``, and ``warm_up``: 1 for
    the first epoch of a session, else 0; ``planned_epochs``, told with that first epoch: those in all that the session
    was to end at; and ``frame_seconds``, what a picture of the cells cost after its epoch.
    ``seconds`` is training time since the run began, pauses between sessions left out.
    ``epoch`` counts from 1; a step point has the epoch it belongs to and a ``step`` counted over the run.
    """

    name: str
    epoch: int
    value: float
    seconds: float
    step: int | None = None


@dataclass(frozen=True, slots=True)
class MetricBatch(Message):
    """What ``read_since`` returns: the points after a cursor and the cursor to ask with next."""

    points: tuple[MetricPoint, ...]
    cursor: int


@dataclass(frozen=True, slots=True)
class Pace(Message):
    """How fast a run would be here, as measured."""

    epoch: float  # seconds, validation included
    around: float  # seconds before the first epoch and after the last: the model, the loop, the latent space


@dataclass(frozen=True, slots=True)
class Estimate(Message):
    """How long and how much memory, before starting. ``source`` says where the speed comes from."""

    seconds_per_epoch: float | None  # None: not measured yet on this machine
    seconds_total: float | None
    memory_bytes: int
    memory_available: int
    source: str  # "earlier run", "calibration", "measuring", "unknown"
    memory_used: int = 0  # the part of memory_bytes that this program has already
    seconds_around: float | None = None  # to start up and to save, besides ``seconds_total`` of training

    @property
    def seconds_in_all(self) -> float | None:
        if self.seconds_total is None or self.seconds_around is None:
            return None
        return self.seconds_total + self.seconds_around

    @property
    def fits(self) -> bool:
        return self.memory_bytes - self.memory_used <= self.memory_available


@dataclass(frozen=True, slots=True)
class Accelerator(Message):
    """A kind of device: there, or missing for a reason with a remedy."""

    name: str  # cpu, mps, cuda
    label: str  # "CPU", "Apple GPU (MPS)", "NVIDIA GPU (CUDA)"
    available: bool
    device_name: str = ""  # "AMD EPYC 7B13, 2 threads"
    memory_bytes: int | None = None
    reason: str = ""  # why it is missing
    remedy: str = ""  # what to install or change
