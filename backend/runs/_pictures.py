"""``Pictures``: the cells of a run as they separated while it trained, for pages; read only.

pictures = Pictures(registry, datasets, runs_dir)
pictures.index(run_id)                  # FrameIndex, or None
pictures.values(run_id, frame.name)     # bytes: x and y of each cell, little-endian uint16
pictures.colours(run_id, column)        # CellColours of the same cells
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..columns import colours, likely_labels, read_column
from ..datasets import open_prepared
from ..errors import NotFound, StudioError
from ..registry import RunRegistry
from ..training import FrameFiles
from ..types import CellColours, FrameIndex
from ._submission import Datasets

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Key = tuple[object, ...]

_KEEP = 24  # columns remembered


class Pictures:
    def __init__(self, registry: RunRegistry, datasets: Datasets, runs_dir: Path) -> None:
        self._registry = registry
        self._datasets = datasets
        self._runs_dir = runs_dir
        self._lock = threading.Lock()
        self._columns_of: dict[Key, tuple[str, ...]] = {}
        self._colours_of: dict[Key, CellColours] = {}

    def index(self, run_id: str) -> FrameIndex | None:
        """The pictures of the run as it is: those of an extension that was taken back are left out."""
        record = self._registry.get(run_id)
        index = self._files(run_id).index()
        if index is None:
            return None
        return index.replace(frames=tuple(frame for frame in index.frames if frame.epoch <= record.epoch))

    def values(self, run_id: str, name: str) -> bytes:
        """One picture's points; a frame says how they become coordinates.

        Raises
        ------
        NotFound
            The run has no such picture, or no more.
        """
        self._registry.get(run_id)
        try:
            return self._files(run_id).values(name).astype("<u2").tobytes()
        except (OSError, ValueError) as error:
            raise NotFound("This run has no such picture any more. Reload the page.") from error

    def columns(self, run_id: str) -> tuple[str, ...]:
        """The columns worth colouring by, those that look like labels of cells first."""
        record = self._registry.get(run_id)
        return self._remembered(self._columns_of, (run_id, record.started_at), lambda: self._columns(run_id))

    def colours(self, run_id: str, column: str) -> CellColours:
        """``column`` for the cells of the pictures."""
        record = self._registry.get(run_id)
        return self._remembered(
            self._colours_of, (run_id, record.started_at, column), lambda: self._colours(run_id, column)
        )

    # --- inside ---

    def _files(self, run_id: str) -> FrameFiles:
        return FrameFiles(self._runs_dir / run_id)  # the registry knows the id, so it is one of ours

    def _remembered(self, known: dict[Key, T], key: Key, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in known:
                while len(known) >= _KEEP:
                    known.pop(next(iter(known)))
                known[key] = make()
            return known[key]

    def _obs(self, run_id: str) -> pd.DataFrame:
        return open_prepared(self._datasets.dataset(self._registry.get(run_id).spec.dataset_id)).obs

    def _columns(self, run_id: str) -> tuple[str, ...]:
        try:
            obs = self._obs(run_id)
        except StudioError:  # the data set was removed
            return ()
        batch = self._registry.get(run_id).spec.batch_key
        groups: list[str] = []
        numbers: list[str] = []
        for name in obs.columns:
            column = read_column(obs[name], str(name))
            if column.n_levels > 1:
                kept = groups if column.is_groups else numbers if column.kind == "continuous" else []
                kept.append(column.name)
        first = [*likely_labels(groups), *(name for name in groups if name == batch)]
        return tuple(dict.fromkeys([*first, *groups, *numbers]))

    def _colours(self, run_id: str, column: str) -> CellColours:
        obs = self._obs(run_id)
        if column not in obs.columns:
            raise NotFound("The data set has no such column any more.")
        cells = self._files(run_id).cells()
        return colours(read_column(obs[column], column), cells)
