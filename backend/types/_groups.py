"""Runs that belong together: a sweep over settings, a duel of two, or what was imported as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._message import Message
from ._notices import Notice, Noticed
from ._spec import RunSpec


@dataclass(frozen=True, slots=True)
class SweepPlan(Message):
    """A grid of runs. Every setting that is not listed is that of ``base``.

    ``base.lr`` is the learning rate at a minibatch of 128 cells, from which the rules reckon the others.
    """

    base: RunSpec
    batch_sizes: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096)
    lr_rules: tuple[str, ...] = ("linear",)  # linear, sqrt, fixed
    accelerators: tuple[str, ...] = ("cpu",)
    engines: tuple[str, ...] = ("stock", "fused")
    seeds: tuple[int, ...] = (0,)
    other: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # field of RunSpec: values to try


@dataclass(frozen=True, slots=True)
class GroupRecord(Noticed):
    """A group of runs; which runs those are is said by their ``group_id``."""

    group_id: str
    kind: str  # sweep, duel, import
    name: str
    created_at: float
    dataset_id: str = ""
    paused: bool = False  # its queued runs are not taken
    note: str = ""
    plan: SweepPlan | None = None  # of a sweep, as extended
    notices: tuple[Notice, ...] = ()  # what was left out and why


@dataclass(frozen=True, slots=True)
class GroupProgress(Message):
    """How far a group is. The counts add up to ``total``."""

    total: int
    finished: int = 0  # with a model, those stopped midway included
    failed: int = 0
    canceled: int = 0
    interrupted: int = 0  # their process died; resuming the group takes them up
    queued: int = 0
    running: int = 0
    epochs: int = 0  # trained so far
    epochs_total: int = 0
    paused: bool = False
    elsewhere: bool = False  # another process, such as the command line, executes it
    seconds_left: float | None = None  # None: nothing measured yet
    state: str = "done"  # running, waiting, pausing, paused, interrupted, done

    @property
    def over(self) -> int:
        return self.finished + self.failed + self.canceled

    @property
    def is_over(self) -> bool:
        return self.over == self.total


@dataclass(frozen=True, slots=True)
class SweepEstimate(Message):
    """What a plan comes to, before anything is queued."""

    runs: int
    seconds: float | None  # None: not measured yet
    measuring: bool = False  # asking again in a moment gives more
    notices: tuple[Notice, ...] = ()  # sizes left out and why
    fits: bool = True  # in memory, the largest of them
    memory_bytes: int = 0
