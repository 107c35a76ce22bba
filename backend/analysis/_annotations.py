"""Names that people give to cells they selected: annotation columns of a run, in ``run_dir/analysis/annotations.json``.

    annotations.name(run_id, cells, "T cells", column="annotation")    # a cell has one name in a column, the last given
    annotations.of(run_id, n_obs)                                      # {"annotation": Groups}
    annotations.rename(run_id, "annotation", "T cells", "CD4 T"); annotations.remove(run_id, "annotation")
    annotations.undo(run_id)                                           # takes back the last change of any kind

What is kept are the changes in their order, so that each can be taken back. They belong to the cells, not to the state
of the model: a run that is trained further keeps them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..storage import write_json
from ..types import Groups
from ._cluster_names import clean
from ._kept_cells import keep_cells, kept_cells
from ._results import FOLDER

FILE = "annotations.json"
_writing = threading.Lock()
_Change = dict[str, str]  # do (name, rename or remove), column, and what that takes


class Annotations:
    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir

    def of(self, run_id: str, n_obs: int) -> dict[str, Groups]:
        """The columns, the one begun first first, each with its names in the order of their first cells' naming."""
        return annotations_in(self._runs_dir / run_id, n_obs)

    def columns(self, run_id: str) -> list[str]:
        return _columns(_changes(self._runs_dir / run_id))

    def version(self, run_id: str) -> str:
        """Another one after each change."""
        told = json.dumps(_changes(self._runs_dir / run_id)).encode()
        return hashlib.sha256(told).hexdigest()[:12]

    def name(
        self,
        run_id: str,
        cells: npt.NDArray[np.integer[Any]],
        name: str,
        column: str,
        taken: Collection[str] = (),
    ) -> None:
        """Give ``cells`` (their positions) a name in ``column``, which begins with its first name.

        Raises
        ------
        BadInput
            No cells, no name, or a column that is one of the data set's (``taken``).
        """
        name, column = clean(name), clean(column)
        if "/" in column:
            raise BadInput("The name of a column cannot contain a slash. Choose another name.")
        if column in taken:
            raise BadInput(
                f"The data set has a column called {column!r} already. Choose another name for yours."
            )
        kept = keep_cells(self._runs_dir / run_id, cells)
        self._add(run_id, {"do": "name", "column": column, "name": name, "cells": kept})

    def rename(self, run_id: str, column: str, old: str, new: str) -> None:
        """A name that is taken joins the two."""
        self._add(run_id, {"do": "rename", "column": column, "name": old, "to": clean(new)})

    def remove(self, run_id: str, column: str) -> None:
        self._add(run_id, {"do": "remove", "column": column})

    def undo(self, run_id: str) -> None:
        with _writing:
            write_json(self._path(run_id), _changes(self._runs_dir / run_id)[:-1])

    def _add(self, run_id: str, change: _Change) -> None:
        with _writing:
            write_json(self._path(run_id), [*_changes(self._runs_dir / run_id), change])

    def _path(self, run_id: str) -> Path:
        return self._runs_dir / run_id / FOLDER / FILE


def annotations_in(run_dir: Path, n_obs: int) -> dict[str, Groups]:
    """The annotation columns of a run's folder."""
    names: dict[str, list[str]] = {}
    codes: dict[str, npt.NDArray[np.int32]] = {}
    for change in _changes(run_dir):
        column = change["column"]
        if change["do"] == "remove":
            names.pop(column, None)
            codes.pop(column, None)
            continue
        levels = names.setdefault(column, [])
        of = codes.setdefault(column, np.full(n_obs, -1, np.int32))
        if change["do"] == "rename":
            if change["name"] in levels:
                levels[levels.index(change["name"])] = change["to"]
            continue
        cells = kept_cells(run_dir, change["cells"])
        levels.append(change["name"])
        of[cells[cells < n_obs]] = len(levels) - 1
    return {column: _groups(codes[column], names[column]) for column in names}


def _groups(codes: npt.NDArray[np.int32], names: list[str]) -> Groups:
    """One level a name, of those that have a cell left."""
    there = [name for at, name in enumerate(names) if (codes == at).any()]
    levels = list(dict.fromkeys(there))
    table = np.array([*(levels.index(name) if name in levels else -1 for name in names), -1], np.int32)
    codes = table[codes]
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    return Groups(codes, tuple(levels), tuple(counts.tolist()))


def _columns(changes: list[_Change]) -> list[str]:
    found: dict[str, None] = {}
    for change in changes:
        if change["do"] == "remove":
            found.pop(change["column"], None)
        else:
            found.setdefault(change["column"])
    return list(found)


def _changes(run_dir: Path) -> list[_Change]:
    try:
        changes = json.loads((run_dir / FOLDER / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [change for change in changes if {"do", "column"} <= set(change)]
