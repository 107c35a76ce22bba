"""The cells of a run on their map, for a report: coordinates and colours as compact arrays.

Colours to choose from: named clusters, clusters, the batch, and columns of the cell table that tell cells apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..charts import cell_look, plain
from ..columns import MOST_LEVELS, colours, read_column
from ..types import CellColours, DatasetRef, RunRecord
from ._explored import Explored
from ._report_page import CellMap, numbers_to_text

MOST_COLUMNS = 12


def report_map(record: RunRecord, dataset: DatasetRef | None, found: Explored) -> CellMap | None:
    """None where no map was made."""
    if found.umap is None:
        return None
    n_cells = len(found.umap)
    looks: list[CellColours] = []
    if found.labels is not None:
        looks.append(_clusters("clusters, as named", found.labels.tolist()))
    if found.clusters is not None:
        names = [f"Cluster {number + 1}" for number in found.clusters]
        looks.append(_clusters("clusters", names, by_number=True))
    if dataset is not None and Path(dataset.path).is_file():
        looks += _columns(record, dataset, n_cells)
    return CellMap(
        numbers_to_text(found.umap[:, 0], "<f4"),
        numbers_to_text(found.umap[:, 1], "<f4"),
        n_cells,
        tuple(_look(one, n_cells) for one in looks[:MOST_COLUMNS]),
        "Each point is a cell; cells that the model finds alike lie close together. Which groups touch is worth a "
        "look; how far apart two distant groups lie means little.",
    )


def _columns(record: RunRecord, dataset: DatasetRef, n_cells: int) -> list[CellColours]:
    import h5py
    import pandas as pd
    from anndata.io import read_elem

    with h5py.File(dataset.path, "r") as file:
        obs: pd.DataFrame = read_elem(file["obs"])
    if len(obs) != n_cells:
        return []
    first = [name for name in (record.spec.batch_key,) if name in obs]
    found = []
    for name in [*first, *(name for name in obs.columns if name not in first)]:
        column = read_column(obs[name], str(name))
        if column.n_levels >= 2 and (
            column.kind == "continuous" or (column.is_groups and column.n_levels <= MOST_LEVELS)
        ):
            found.append(colours(column))
    return found


def _clusters(name: str, values: Sequence[str], *, by_number: bool = False) -> CellColours:
    """Most frequent first; with ``by_number``, in the order of their numbers."""
    import pandas as pd

    column = read_column(pd.Series(values, dtype=object), name, as_groups=True)
    if not by_number:
        return colours(column)
    return CellColours(name, "categorical", tuple(column.codes.tolist()), column.levels)


def _look(look: CellColours, n_cells: int) -> dict[str, Any]:
    light, dark = cell_look(look, n_cells), cell_look(look, n_cells, dark=True)
    return {
        "name": look.column,
        "codes": numbers_to_text(light.codes, "<u1"),
        "labels": [plain(label, 40) for label in light.labels],  # Plotly reads markup
        "light": light.palette,
        "dark": dark.palette,
        "continuous": light.continuous,
    }
