"""Put raw counts back where the file that was brought had them: in ``.raw``, beside its own ``X``.

restore_raw(file, source)    # True where it was done; False leaves counts in X
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import read_elem, write_elem

from ..types import SourceRef


def restore_raw(file: h5py.File, source: SourceRef) -> bool:
    """``file`` is a copy of the prepared cells, open for writing."""
    path = Path(source.path)
    if not path.is_file() or path.stat().st_size != source.size:
        return False
    try:
        with h5py.File(path, "r", locking="best-effort") as brought:
            if "X" not in brought or "raw/var" not in brought:
                return False
            rows = _rows(read_elem(brought["obs"]).index, read_elem(file["obs"]).index)
            if rows is None:
                return False
            var = read_elem(brought["var"])
            matrix = None if rows is all_rows else _chosen(read_elem(brought["X"]), rows)
            _move_to_raw(file)
            if matrix is None:
                brought.copy("X", file)
            else:
                write_elem(file, "X", matrix)
            write_elem(file, "var", var)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):  # the file is not what it was
        if "raw" in file:
            _move_back(file)
        return False
    return True


all_rows = np.zeros(0, dtype=np.int64)  # stands for "no cell was left out"


def _rows(brought: Any, kept: Any) -> np.ndarray | None:
    """Which cells of the file were kept; None where they cannot be told by name."""
    brought, kept = brought.astype(str), kept.astype(str)
    if len(brought) == len(kept):
        return all_rows
    mask = brought.isin(kept)
    if brought.is_unique and mask.sum() == len(kept) and (brought[mask] == kept).all():
        return np.flatnonzero(mask)
    return None


def _chosen(matrix: Any, rows: np.ndarray) -> Any:
    return (matrix.tocsr() if hasattr(matrix, "tocsr") else matrix)[rows]


def _move_to_raw(file: h5py.File) -> None:
    raw = file.create_group("raw")
    raw.attrs.update({"encoding-type": "raw", "encoding-version": "0.1.0"})
    file.move("X", "raw/X")
    file.move("var", "raw/var")
    write_elem(raw, "varm", {})
    for name in ("varm", "varp"):  # they belonged to the genes of raw
        if name in file:
            del file[name]
        write_elem(file, name, {})


def _move_back(file: h5py.File) -> None:
    for name in ("X", "var"):
        if name in file:
            del file[name]
        file.move(f"raw/{name}", name)
    del file["raw"]
