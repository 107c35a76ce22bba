"""What goes to a worker and what comes back: a training is these messages and nothing else.

``TrainJob`` says all a training needs to know; ``Events`` is what it told since a cursor: points, phases, the start,
how busy the machine is, and at last the ``TrainingResult``. Nothing of the registry crosses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._datasets import DatasetRef
from ._message import Message
from ._notices import Notice
from ._runs import MetricPoint, Problem
from ._spec import RunSpec


@dataclass(frozen=True, slots=True)
class TrainJob(Message):
    """One training session of a run, for a worker that knows nothing else of it."""

    run_id: str
    spec: RunSpec
    dataset: DatasetRef  # its id is the hash of its content; ``path`` is how to reach it
    run_dir: str  # where log, checkpoint, model and pictures go
    name: str = ""  # of the run, for its log
    resume_from: int = 0  # epochs of the checkpoint in ``run_dir`` to go on from; 0: from the beginning
    threads: int | None = None  # for torch; None: what torch chooses
    checkpoint_seconds: float = 30.0
    conditions: dict[str, Any] = field(default_factory=dict)  # how busy the machine was in earlier sessions
    place: str = ""  # of the worker that is to train it; empty: whichever suits


@dataclass(frozen=True, slots=True)
class Place(Message):
    """Where a worker trains: one process on one device, say."""

    name: str = ""  # "worker 2"; empty: the server itself
    accelerators: tuple[str, ...] = ()  # it can train on; empty: on any that is there
    room: int = 1  # for so many trainings that would begin at once
    run_ids: tuple[str, ...] = ()  # being trained there
    device: str = ""  # its card, where it has one: "CUDA card 1"
    threads: int | None = None  # for torch; None: as the settings say
    process: int | None = None  # its id, while there is one


@dataclass(frozen=True, slots=True)
class StartInfo(Message):
    """Told when the first minibatch is about to be trained."""

    device: str  # where the parameters were: "cpu", "mps:0", "cuda:0"
    device_name: str
    engine: str
    implementation: str  # what the engine computed with: "CPU kernels (numba)", "torch on MPS", "scvi-tools"
    preparation_seconds: float  # it took to make the engine ready, in this session
    notices: tuple[Notice, ...]  # fallbacks worth showing with the run
    environment: dict[str, str] = field(default_factory=dict)  # versions, machine
    n_obs: int = 0
    n_vars: int = 0
    first_epoch: int = 1  # above 1 where a run was resumed


@dataclass(frozen=True, slots=True)
class TrainingResult(Message):
    """How a session ended. ``train`` gives the first three outcomes, the worker around it the others as well."""

    outcome: str  # finished, stopped, diverged; failed, canceled, interrupted
    epochs: int = 0  # completed, over all sessions
    elapsed: float = 0.0  # seconds of training over all sessions
    problem: Problem | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase(Message):
    """What a training does from now on: "starting", "loading data", "training", "saving" ..."""

    name: str
    at: int = 0  # how many points of the same ``Events`` came before it


@dataclass(frozen=True, slots=True)
class Events(Message):
    """What a training told after a cursor. To ask with ``cursor`` says that all before it is in safe keeping."""

    cursor: int
    points: tuple[MetricPoint, ...] = ()
    phases: tuple[Phase, ...] = ()
    start: StartInfo | None = None
    conditions: dict[str, Any] | None = None  # the newest
    standing: tuple[Notice, ...] | None = None  # the newest: what holds until further notice
    end: TrainingResult | None = None  # the last event of all
