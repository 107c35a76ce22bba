"""The prepared cells with the latent space. The file is copied and added to: no matrix in RAM."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import write_elem

from backend.errors import Conflict
from backend.types import DatasetRef


def write_h5ad(path: Path, dataset: DatasetRef, latent: Path, about: dict[str, Any]) -> None:
    z = np.load(latent, allow_pickle=False)  # cells x n_latent, in the order of the prepared cells
    if z.shape[0] != dataset.n_obs:
        raise Conflict(
            "The latent space of this run does not fit its data set any more. Train the run again."
        )
    shutil.copyfile(dataset.full_path or dataset.path, path)
    with h5py.File(path, "r+") as file:
        for group in ("obsm", "uns"):
            if group not in file:
                write_elem(file, group, {})
        write_elem(file["obsm"], "X_scvi", z)
        write_elem(file["uns"], "scvi_studio", _plain(about))


def _plain(value: Any) -> Any:
    """As ``uns`` can hold it: nothing that is None or an empty list, lists as arrays of text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items() if item not in (None, (), [])}
    if isinstance(value, (list, tuple)):
        return np.array([str(item) for item in value], dtype=object)
    return value
