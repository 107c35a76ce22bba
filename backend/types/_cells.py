"""What is known of single cells: columns and values for a map, pictures of a training run, names of clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._message import Message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class CellColumn(Message):
    """One column of the cell table that can colour a map."""

    name: str
    kind: str  # categorical or continuous
    n_levels: int = 0  # of a categorical one


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """A value of few kinds for every cell: ``codes`` into ``levels``; -1 is missing.

    The most frequent level is first, unless they are ``ordered``, as days and stages are.
    """

    codes: npt.NDArray[np.int32]  # one for each cell
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A number for every cell; not a number where it is missing."""

    values: npt.NDArray[np.float32]  # one for each cell


@dataclass(frozen=True, slots=True)
class Frame(Message):
    """One picture. A point is ``low + value / 65535 * (high - low)`` with its two uint16 values."""

    name: str  # of the file; never used twice, so that a browser may keep what it has
    epoch: int  # 0: before the first minibatch
    low: tuple[float, ...]
    high: tuple[float, ...]
    explained: float = 0.0  # part of the latent variance that the two axes show
    seconds: float = 0.0  # what taking it cost


@dataclass(frozen=True, slots=True)
class FrameIndex(Message):
    """All pictures of a run, in the order of epochs, each turned to fit the one before."""

    n_cells: int  # in each picture
    n_obs: int  # of which they were drawn, at random
    frames: tuple[Frame, ...] = ()
    frame_seconds: float = 0.0  # spent on them within training, by all sessions
    training_seconds: float = 0.0  # training time when the last one was taken

    @property
    def cost(self) -> float:
        """Part of the training time that went into pictures."""
        return self.frame_seconds / self.training_seconds if self.training_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class CellColours(Message):
    """One column for the cells of the pictures: ``codes`` into ``levels``, or numbers from ``low`` to ``high``."""

    column: str
    kind: str  # categorical or continuous
    codes: tuple[int, ...]  # categorical: index into levels, -1 none; continuous: 0..255, -1 none
    levels: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Labels(Message):
    """A name for each cluster of one clustering. Clusters of one name are one: that is how they are merged."""

    names: tuple[str, ...]  # of cluster 0, 1, 2, ...
    options: dict[str, Any] = field(default_factory=dict)  # of the clustering (leiden) they belong to
    can_undo: bool = False

    def of(self, clusters: Iterable[int]) -> list[str]:
        """The name of each cell, by its cluster."""
        return [self.names[cluster] for cluster in clusters]

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The clusters of each name, in the order of their first cluster."""
        found: dict[str, tuple[int, ...]] = {}
        for cluster, name in enumerate(self.names):
            found[name] = (*found.get(name, ()), cluster)
        return found

    @property
    def given(self) -> bool:
        """Whether anything was named or merged at all."""
        return self.names != tuple(map(default_name, range(len(self.names))))


def default_name(cluster: int) -> str:
    return f"Cluster {cluster + 1}"  # as on the map; the largest is 1
