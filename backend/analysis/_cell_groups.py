"""Which cells a group means: levels of a column, clusters, or cells that somebody picked.

    groups = {"by": "column", "name": "cell_type"}            # one code per cell and the levels' names
    groups = {"by": "clusters", "clustering": {...}}                     # called "0", "1", ...
    groups = {"by": "clusters", "clustering": {...}, "members": [[0, 2], [1]]}  # merged, called "0", "1", ...
    groups = {"by": "annotation", "name": "annotation", "version": "..."}     # names given to cells, as they are now
    groups = {"by": "cells", "name": "<what keep_cells returned>"}

Plain JSON, because it is part of what a job is asked for; without the names people give, so that a new name asks for
nothing to be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..columns import Column, read_column
from ..errors import BadInput, Conflict
from ._annotations import annotations_in
from ._kept_cells import kept_cells
from ._kind import Context, Step

if TYPE_CHECKING:
    import pandas as pd

Codes = npt.NDArray[np.integer[Any]]  # one a cell, -1: none
CHOSEN, REST = "selected cells", "all other cells"


def codes_of(context: Context, groups: Mapping[str, Any]) -> tuple[Codes, list[str]]:
    """The group of each cell (-1: none) and the groups' names, in the order to show them."""
    by = groups["by"]
    if by == "column":
        column = chosen_column(context.adata.obs, groups["name"])
        return column.codes, list(column.levels)
    if by == "clusters":
        clusters = np.asarray(context.result("leiden", **groups["clustering"]).array("labels"))
        members = groups.get("members") or [[i] for i in range(int(clusters.max()) + 1)]
        table = np.full(int(clusters.max()) + 1, -1)
        for code, merged in enumerate(members):
            table[list(merged)] = code
        return table[clusters], [str(code) for code in range(len(members))]
    if by == "annotation":
        own = annotations_in(context.run_dir, context.adata.n_obs).get(groups["name"])
        if own is None:
            raise Conflict("This annotation column was removed. Choose other groups.")
        return own.codes, list(own.levels)
    codes = np.ones(context.adata.n_obs, dtype=np.int64)
    codes[kept_cells(context.run_dir, groups["name"])] = 0
    return codes, [CHOSEN, REST]


def chosen_column(obs: pd.DataFrame, name: str) -> Column:
    """A column that somebody chose for its groups, the most frequent first."""
    if name not in obs.columns:
        raise Conflict("The data set has no such column any more.")
    return read_column(obs[name], name, as_groups=True).by_size()


def cells_of(codes: Codes, levels: list[str], wanted: list[str]) -> npt.NDArray[np.intp]:
    """Positions of the cells in any of the groups ``wanted``."""
    unknown = [name for name in wanted if name not in levels]
    if unknown:
        raise BadInput(f"There is no group {unknown[0]!r} any more. Choose again.")
    return np.flatnonzero(np.isin(codes, [levels.index(name) for name in wanted]))


def needed(groups: Mapping[str, Any]) -> tuple[Step, ...]:
    return (("leiden", dict(groups["clustering"])),) if groups.get("by") == "clusters" else ()
