"""One column of the table of cells of a prepared file, without AnnData, which takes seconds to import.

values = read_obs(path, "donor")
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import BadFile


def read_obs(path: str, column: str) -> pd.Series:
    """The values for C cells.

    Raises
    ------
    BadFile
        The file or the column cannot be read.
    """
    try:
        with h5py.File(path, "r", locking="best-effort") as h5:
            node = h5["obs"][column]
            if isinstance(node, h5py.Group):
                levels = pd.Index(_values(node["categories"]))
                ordered = bool(node.attrs.get("ordered", False))
                return pd.Series(pd.Categorical.from_codes(node["codes"][()], levels, ordered=ordered))
            return pd.Series(_values(node))
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise BadFile(
            f"The column {column} of the prepared data cannot be read ({error}). Prepare it again."
        ) from None


def _values(node: h5py.Dataset) -> npt.NDArray[Any]:
    text = h5py.check_string_dtype(node.dtype) is not None
    values: npt.NDArray[Any] = np.asarray(node.asstr()[()], dtype=object) if text else node[()]
    return values
