"""The messages that travel between the rooms: frozen dataclasses, no behaviour beyond (de)serialising.

``RunSpec`` says what to train, ``RunRecord`` what became of it, ``MetricPoint`` one number on the way,
``DatasetRef`` which cells, ``PrepareSpec`` how they were made ready, ``DatasetReport`` what was seen.
Everything here survives ``to_dict`` -> JSON -> ``from_dict`` unchanged.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Self


def _revive(hint: Any, value: Any) -> Any:
    """Turn plain JSON ``value`` back into the type that ``hint`` names."""
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _revive(options[0], value) if len(options) == 1 else value
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_revive(inner, item) for item in value)
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_dict(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


class Message:
    """A dataclass that goes to JSON and back. Unknown keys are ignored, so older files still open."""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        hints = _hints(typing.cast(Any, cls))
        return cls(**{name: _revive(hints[name], data[name]) for name in hints if name in data})

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


# --- runs -----------------------------------------------------------------------------------------


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
class RunSpec(Message):
    """What to train. Everything a run needs besides the cells themselves; never edited after submission."""

    dataset_id: str  # id of a *prepared* dataset
    dataset_name: str = ""
    engine: str = "stock"
    accelerator: str = "auto"  # auto, cpu, mps, cuda; what ran is RunRecord.device
    batch_size: int = 128  # cells in one minibatch
    lr: float = 1e-3
    lr_rule: str = "linear"  # how lr followed batch_size: linear, sqrt, fixed, manual
    max_epochs: int = 5
    batch_key: str | None = None  # obs column of the experimental batch
    categorical_covariate_keys: tuple[str, ...] = ()
    continuous_covariate_keys: tuple[str, ...] = ()
    gene_likelihood: str = "zinb"
    dispersion: str = "gene"
    n_latent: int = 10
    n_hidden: int = 128
    n_layers: int = 1
    dropout_rate: float = 0.1
    train_size: float = 0.9
    seed: int = 0
    check_val_every_n_epoch: int = 1
    early_stopping: bool = False
    early_stopping_patience: int = 45
    n_epochs_kl_warmup: int | None = 400
    precision: str = "32-true"  # a Lightning precision name: 32-true, bf16-mixed


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


@dataclass(frozen=True, slots=True)
class RunRecord(Message):
    """One row of the registry. Times are Unix seconds; ``elapsed`` is training time over all sessions."""

    run_id: str
    spec: RunSpec
    status: RunStatus
    name: str
    created_at: float
    note: str = ""
    origin: str = "dashboard"  # dashboard or command line
    position: float = 0.0  # order in the queue, lowest first
    started_at: float | None = None
    ended_at: float | None = None
    elapsed: float = 0.0
    epoch: int = 0  # epochs completed
    device: str = ""  # where the tensors were: "cpu", "mps:0", "cuda:0"
    device_name: str = ""  # "Apple M3 Pro", "AMD EPYC"
    phase: str = ""  # what a running run is doing: "loading data", "training", "saving"
    requested: str = ""  # "stop" or "cancel" once asked for and not yet obeyed
    n_obs: int = 0
    n_vars: int = 0
    best_validation: float | None = None
    best_epoch: int | None = None
    seconds_per_epoch: float | None = None  # median of the steady epochs
    cells_per_second: float | None = None
    peak_memory: int | None = None  # bytes, resident set of the process
    notices: tuple[str, ...] = ()  # fallbacks and warnings worth showing with the run
    problem: Problem | None = None  # why it failed or ended early
    environment: dict[str, str] = field(default_factory=dict)  # versions, machine


@dataclass(frozen=True, slots=True)
class MetricPoint(Message):
    """One number. ``name`` is scvi-tools' own where it has one (``validation_loss``, ``elbo_train`` ...).

    Ours: ``epoch_seconds``, ``cells_per_second``, ``memory_bytes``, ``train_loss_step``, and ``warm_up``: 1 for
    the first epoch of a session, else 0.
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
class Estimate(Message):
    """How long and how much memory, before starting. ``source`` says where the speed comes from."""

    seconds_per_epoch: float | None  # None: not measured yet on this machine
    seconds_total: float | None
    memory_bytes: int
    memory_available: int
    source: str  # "earlier run", "calibration", "measuring", "unknown"
    memory_used: int = 0  # the part of memory_bytes that this program has already

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
    warning: str = ""  # there, but with a caveat


# --- datasets -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourceRef(Message):
    """A file that was brought in, as it came. ``source_id`` is derived from the content hash."""

    source_id: str
    name: str  # shown to people: the file's own name, or a title
    path: str
    size: int  # bytes
    origin: str  # upload, folder, url, public, demo, simulated
    added_at: float
    simulated: bool = False
    note: str = ""  # where it is from, licence, how it was made


@dataclass(frozen=True, slots=True)
class PrepareSpec(Message):
    """How a source becomes a prepared dataset. Together with the source id it decides the dataset id."""

    counts: str = "X"  # "X", "layers/<name>" or "raw/X"
    drop_empty_cells: bool = False
    min_cells_per_gene: int = 0  # genes seen in fewer cells are dropped; 0 keeps all
    make_names_unique: bool = False
    fill_missing: tuple[str, ...] = ()  # obs columns whose missing values become "unknown"
    n_top_genes: int | None = None  # None: all genes
    hvg_batch_key: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetRef(Message):
    """A prepared dataset: an uncompressed h5ad with counts in X (CSR float32, int32 indices)."""

    dataset_id: str
    source_id: str
    name: str
    path: str
    n_obs: int
    n_vars: int
    nnz: int
    prepare: PrepareSpec
    obs_columns: tuple[str, ...] = ()
    simulated: bool = False
    created_at: float = 0.0
    notices: tuple[str, ...] = ()  # what preparing changed: "dropped 12 empty cells"
    full_path: str = ""  # the same cells with all genes, where a selection was made; else = path

    @property
    def density(self) -> float:
        return self.nnz / max(1, self.n_obs * self.n_vars)


@dataclass(frozen=True, slots=True)
class MatrixVerdict(Message):
    """What one matrix of a file holds, judged on all its values."""

    where: str  # "X", "layers/counts", "raw/X"
    verdict: str  # counts, log1p, scaled, normalised, unclear, empty
    evidence: str  # one sentence
    n_obs: int
    n_vars: int
    nnz: int
    minimum: float
    maximum: float
    fraction_integer: float  # of the non-zero values
    storage: str  # "CSR float32", "dense float64, gzip"
    log_base: str = ""  # "e", "2", "10" where verdict is log1p
    usable: bool = False  # can be trained on


@dataclass(frozen=True, slots=True)
class ColumnAdvice(Message):
    """How well one obs column would serve as the experimental batch."""

    column: str
    score: float  # higher is better; 0 or less: do not use
    n_levels: int
    n_missing: int
    verdict: str  # recommended, possible, unsuitable
    reason: str  # one sentence
    levels: tuple[str, ...] = ()  # the most frequent, at most 12
    level_counts: tuple[int, ...] = ()
    kind: str = "categorical"  # categorical or continuous


@dataclass(frozen=True, slots=True)
class Histogram(Message):
    """Counts per bin for a small plot. ``edges`` has one more entry than ``counts``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    median: float
    log10: bool = False  # edges are log10 of the value


@dataclass(frozen=True, slots=True)
class DatasetReport(Message):
    """What inspecting a source found."""

    source_id: str
    n_obs: int
    n_vars: int
    matrices: tuple[MatrixVerdict, ...]
    counts: str | None  # the chosen matrix, None where there is none to train on
    density: float
    counts_per_cell: Histogram | None
    genes_per_cell: Histogram | None
    columns: tuple[ColumnAdvice, ...]
    batch_key: str | None  # the adviser's choice
    problems: tuple[Problem, ...]
    species: str = ""  # "human", "mouse", ... or empty
    memory_bytes: int = 0  # to train on all genes
    genes_in_few_cells: int = 0  # seen in fewer than 3 cells
    empty_cells: int = 0
    recommended: PrepareSpec = PrepareSpec()

    @property
    def trainable(self) -> bool:
        """Nothing stands in the way that ``recommended``, which has every needed remedy, does not mend."""
        lasting = (p for p in self.problems if p.severity == "error" and not p.remedies)
        return self.counts is not None and not any(lasting)


class JobState(StrEnum):
    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Job(Message):
    """Background work on data: a download, an inspection, a preparation. Kept until dismissed."""

    job_id: str
    kind: str  # fetch, inspect, prepare, simulate
    title: str  # "Preparing pbmc.h5ad"
    state: JobState
    started_at: float
    progress: float | None = None  # 0..1, None: unknown
    phase: str = ""  # "reading block 3 of 40"
    result_id: str = ""  # source_id or dataset_id when done
    problem: Problem | None = None
