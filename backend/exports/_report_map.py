"""The cells of a run on their map, for a report: coordinates and colours as compact arrays.

Colours to choose from: named clusters, clusters, the batch, and columns of the cell table that tell cells apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..charts import cell_look, plain
from ..types import CellColours, DatasetRef, RunRecord
from ._explored import Explored
from ._report_page import CellMap, numbers_to_text

MOST_COLUMNS = 12
MOST_LEVELS = 60  # a column with more tells nothing apart on a map


def report_map(record: RunRecord, dataset: DatasetRef | None, found: Explored) -> CellMap | None:
    """None where no map was made."""
    if found.umap is None:
        return None
    n_cells = len(found.umap)
    colours = []
    if found.labels is not None:
        colours.append(_levels("clusters, as named", found.labels.tolist()))
    if found.clusters is not None:
        colours.append(
            _levels("clusters", [f"Cluster {number + 1}" for number in found.clusters], order=True)
        )
    if dataset is not None and Path(dataset.path).is_file():
        colours += _columns(record, dataset, n_cells)
    return CellMap(
        numbers_to_text(found.umap[:, 0], "<f4"),
        numbers_to_text(found.umap[:, 1], "<f4"),
        n_cells,
        tuple(_look(one, n_cells) for one in colours[:MOST_COLUMNS]),
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
        column = obs[name]
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == bool or column.dtype == object:
            if 2 <= column.nunique() <= MOST_LEVELS:
                values = column.astype(object).where(column.notna(), None).tolist()
                found.append(_levels(str(name), values))
        elif pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() > 1:
            found.append(_scale(str(name), column.to_numpy(dtype=np.float64, na_value=np.nan)))
    return found


def _levels(name: str, values: list[Any], *, order: bool = False) -> CellColours:
    """Most frequent first; with ``order``, in the order of the words' own numbers."""
    counts: dict[str, int] = {}
    for value in values:
        if value is not None:
            counts[str(value)] = counts.get(str(value), 0) + 1
    levels = sorted(counts, key=lambda level: (len(level) if order else -counts[level], level))
    place = {level: number for number, level in enumerate(levels)}
    codes = tuple(-1 if value is None else place[str(value)] for value in values)
    return CellColours(name, "categorical", codes, tuple(levels))


def _scale(name: str, values: np.ndarray) -> CellColours:
    known = np.isfinite(values)
    low, high = np.quantile(values[known], (0.01, 0.99)) if known.any() else (0.0, 1.0)
    span = high - low or 1.0
    codes = np.where(known, np.clip((np.where(known, values, low) - low) / span * 255, 0, 255), -1)
    return CellColours(name, "continuous", tuple(codes.astype(int).tolist()), (), float(low), float(high))


def _look(colours: CellColours, n_cells: int) -> dict[str, Any]:
    light, dark = cell_look(colours, n_cells), cell_look(colours, n_cells, dark=True)
    return {
        "name": colours.column,
        "codes": numbers_to_text(light.codes, "<u1"),
        "labels": [plain(label, 40) for label in light.labels],  # Plotly reads markup
        "light": light.palette,
        "dark": dark.palette,
        "continuous": light.continuous,
    }
