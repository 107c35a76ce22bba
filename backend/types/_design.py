"""The design of an experiment as its cell table tells it: which columns, what was crossed, what follows."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message
from ._runs import Problem


@dataclass(frozen=True, slots=True)
class DesignChoice(Message):
    """The obs columns that say how the experiment was laid out."""

    batch: str  # what would be corrected for
    condition: str  # what is to be compared
    donor: str | None = None  # the independent replicates
    label: str | None = None  # cell types


@dataclass(frozen=True, slots=True)
class Crossed(Message):
    """Two columns crossed: ``deficiency`` contrasts between levels of ``other`` are lost once ``one`` is known."""

    one: str
    other: str
    one_levels: tuple[str, ...]
    other_levels: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]  # numbers of cells, a row for each level of ``one``
    n_missing: int  # cells without a value in either: left out
    cramers_v: float | None  # None where a column has one level only
    n_empty: int  # combinations without a cell
    deficiency: int  # columns that the design matrix [1, one, other] lacks to full rank


@dataclass(frozen=True, slots=True)
class DesignReport(Message):
    source_id: str
    choice: DesignChoice
    n_obs: int
    crossed: tuple[Crossed, ...]  # batch x condition first
    findings: tuple[Problem, ...]  # the worst first; ``info`` says what can be concluded
