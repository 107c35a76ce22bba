"""What the cells of a data set can be told apart by: columns, genes, and values for a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._message import Message

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class CellColumn(Message):
    """One column of the cell table that can colour a map."""

    name: str
    kind: str  # categorical or continuous
    n_levels: int = 0  # of a categorical one


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """A value of few kinds for every cell: ``codes`` into ``levels``, the most frequent first; -1 is missing."""

    codes: np.ndarray  # int32
    levels: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A number for every cell; not a number where it is missing."""

    values: np.ndarray  # float32
