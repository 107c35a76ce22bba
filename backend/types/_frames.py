"""Pictures of the cells taken while a run trained: a sample of them in two dimensions, now and then."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message


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
