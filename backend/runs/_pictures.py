"""``Pictures``: the cells of a run as they separated while it trained, for pages; read only.

pictures = Pictures(registry, datasets, runs_dir)
pictures.index(run_id)                  # FrameIndex, or None
pictures.values(run_id, frame.name)     # bytes: x and y of each cell, little-endian uint16
pictures.colours(run_id, column)        # CellColours of the same cells
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import open_prepared
from ..errors import NotFound, StudioError
from ..registry import RunRegistry
from ..training import FrameFiles
from ..types import CellColours, FrameIndex

_LABELS = re.compile(
    r"cell.?type|annot|label|cluster|leiden|louvain|embryo.?time|lineage|state", re.IGNORECASE
)
_KEEP = 24  # columns remembered
MOST_LEVELS = 250


class Pictures:
    def __init__(self, registry: RunRegistry, datasets: Any, runs_dir: Path) -> None:
        self._registry = registry
        self._datasets = datasets
        self._runs_dir = runs_dir
        self._lock = threading.Lock()
        self._known: dict[tuple[object, ...], Any] = {}

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
        return self._remembered((run_id, record.started_at), lambda: self._columns(run_id))

    def colours(self, run_id: str, column: str) -> CellColours:
        """``column`` for the cells of the pictures."""
        record = self._registry.get(run_id)
        return self._remembered((run_id, record.started_at, column), lambda: self._colours(run_id, column))

    # --- inside ---

    def _files(self, run_id: str) -> FrameFiles:
        return FrameFiles(self._runs_dir / run_id)  # the registry knows the id, so it is one of ours

    def _remembered(self, key: tuple[object, ...], make: Any) -> Any:
        with self._lock:
            if key not in self._known:
                while len(self._known) >= _KEEP:
                    self._known.pop(next(iter(self._known)))
                self._known[key] = make()
            return self._known[key]

    def _obs(self, run_id: str) -> Any:
        return open_prepared(self._datasets.dataset(self._registry.get(run_id).spec.dataset_id)).obs

    def _columns(self, run_id: str) -> tuple[str, ...]:
        try:
            obs = self._obs(run_id)
        except StudioError:  # the data set was removed
            return ()
        batch = self._registry.get(run_id).spec.batch_key
        ranked = []
        for place, name in enumerate(obs.columns):
            values = obs[name]
            categorical = not _is_number(values)
            n = values.nunique()
            if n < 2 or (categorical and n > max(40, len(values) // 4)):
                continue
            rank = (
                0 if categorical and _LABELS.search(name) else 1 if name == batch else 2 if categorical else 3
            )
            ranked.append((rank, place, name))
        return tuple(name for _, _, name in sorted(ranked))

    def _colours(self, run_id: str, column: str) -> CellColours:
        obs = self._obs(run_id)
        if column not in obs.columns:
            raise NotFound("The data set has no such column any more.")
        cells = self._files(run_id).cells()
        return coded(column, obs[column], cells)


def coded(column: str, values: Any, cells: np.ndarray[Any, Any]) -> CellColours:
    """``values`` of the chosen ``cells`` as levels, the most frequent first, or as 0..255 between two numbers."""
    import pandas as pd

    if _is_number(values):
        numbers = np.asarray(values, dtype=float)[cells]
        finite = np.isfinite(numbers)
        low, high = (
            (float(x) for x in np.quantile(numbers[finite], [0.01, 0.99])) if finite.any() else (0.0, 0.0)
        )
        span = (high - low) or 1.0
        scaled = np.clip(np.round((np.where(finite, numbers, low) - low) / span * 255), 0, 255)
        codes = np.where(finite, scaled, -1).astype(int)
        return CellColours(column, "continuous", tuple(codes.tolist()), (), low, high)
    text = pd.Series(values).reset_index(drop=True)
    present = text.notna().to_numpy()[cells]
    text = text.astype(str).iloc[cells]
    counts = text[present].value_counts()
    levels = [str(level) for level in counts.index[:MOST_LEVELS]]
    place = {level: i for i, level in enumerate(levels)}
    places = [place.get(value, -1) if there else -1 for value, there in zip(text, present, strict=True)]
    return CellColours(column, "categorical", tuple(places), tuple(levels))


def _is_number(values: Any) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(values) or is_bool_dtype(values):
        return False
    return bool(values.nunique() > 20 or values.dtype.kind == "f")
