"""Which cells somebody picked, written beside the analyses of a run; the same cells have the same name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInput, Conflict
from ..storage import write_array
from ._results import FOLDER


def keep_cells(run_dir: Path, cells: npt.NDArray[np.integer[Any]]) -> str:
    """Write down which cells (their positions) were picked; their name."""
    cells = np.unique(np.asarray(cells, dtype=np.int64))
    if not len(cells):
        raise BadInput("No cells are selected. Select some on the map first.")
    name = hashlib.sha256(cells.tobytes()).hexdigest()[:16]
    path = _path(run_dir, name)
    if not path.exists():
        write_array(path, cells)
    return name


def kept_cells(run_dir: Path, name: str) -> npt.NDArray[np.int64]:
    """Positions of the cells, ascending."""
    try:
        found: npt.NDArray[np.int64] = np.load(_path(run_dir, name), allow_pickle=False)
    except (OSError, ValueError):
        raise Conflict("The selected cells are no longer known. Select them again.") from None
    return found


def _path(run_dir: Path, name: str) -> Path:
    return run_dir / FOLDER / f"cells-{Path(name).name}.npy"
