"""The prepared cells with the latent space, the map and the clusters. Copied and added to: no matrix in RAM.

Raw counts are in ``X``. Where the file that was brought had them in ``.raw`` beside another ``X`` (as CELLxGENE
asks for), they are there again, with that ``X``; ``uns["scvi_studio"]["counts_in"]`` says which. All other
tables, embeddings and notes of the file travel along.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, write_elem

from ..errors import Conflict
from ..types import DatasetRef, SourceRef
from ._explored import Explored
from ._h5ad_raw import restore_raw
from ._h5ad_rows import keep_rows

CLUSTERS, LABELS, LATENT, MAP = "scvi_cluster", "scvi_label", "X_scvi", "X_umap"


def write_h5ad(
    path: Path,
    dataset: DatasetRef,
    latent: Path,
    about: dict[str, Any],
    found: Explored,
    source: SourceRef | None,
) -> None:
    z = np.load(latent, allow_pickle=False)  # cells x n_latent, in the order of the prepared cells
    if z.shape[0] != dataset.n_obs:
        raise Conflict(
            "The latent space of this run does not fit its data set any more. Train the run again."
        )
    _copy_cells(dataset, path)
    with h5py.File(path, "r+") as file:
        for group in ("obsm", "uns"):
            if group not in file:
                write_elem(file, group, {})
        raw = dataset.prepare.counts == "raw/X" and source is not None and restore_raw(file, source)
        write_elem(file["obsm"], LATENT, z)
        if found.umap is not None:
            if MAP in file["obsm"]:  # of the file that was brought
                name = f"{MAP}_before"
                if name in file["obsm"]:
                    del file["obsm"][name]
                file["obsm"].move(MAP, name)
            write_elem(file["obsm"], MAP, found.umap)
        _add_columns(file, found)
        write_elem(file["uns"], "scvi_studio", _plain({**about, "counts_in": "raw/X" if raw else "X"}))


def _copy_cells(dataset: DatasetRef, path: Path) -> None:
    """All genes of exactly the cells that were trained on."""
    whole = Path(dataset.full_path or dataset.path)
    if whole == Path(dataset.path):
        shutil.copyfile(whole, path)
        return
    with h5py.File(whole, "r") as everything, h5py.File(dataset.path, "r") as trained:
        names, wanted = _names(everything), _names(trained)
    if len(names) == len(wanted):
        shutil.copyfile(whole, path)
    elif names.is_unique and names.isin(wanted).sum() == len(wanted):
        # choosing genes left some cells without counts, and those were not trained on
        keep_rows(whole, path, np.flatnonzero(names.isin(wanted)))
    else:  # cells cannot be told apart by name: then the genes that were trained on
        shutil.copyfile(dataset.path, path)


def _names(file: h5py.File) -> pd.Index:
    return read_elem(file["obs"]).index


def _add_columns(file: h5py.File, found: Explored) -> None:
    columns: dict[str, pd.Categorical] = {}
    if found.clusters is not None:
        levels = [str(number + 1) for number in range(int(found.clusters.max()) + 1)]  # as on the map
        columns[CLUSTERS] = pd.Categorical.from_codes(found.clusters, categories=levels)
    if found.labels is not None and found.names is not None:
        in_order = list(dict.fromkeys(found.names))  # of the clusters: "Cluster 10" comes after "Cluster 9"
        columns[LABELS] = pd.Categorical(found.labels, categories=in_order)
    if not columns:
        return
    obs = file["obs"]
    order = [str(name) for name in obs.attrs["column-order"]]
    for name, values in columns.items():
        if name in obs:
            del obs[name]
        write_elem(obs, name, values)
        if name not in order:
            order.append(name)
    obs.attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())


def _plain(value: Any) -> Any:
    """As ``uns`` can hold it: nothing that is None or an empty list, lists as arrays of text."""
    if isinstance(value, dict):
        kept = {str(key).replace("/", "_"): _plain(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return np.array([str(item) for item in value], dtype=object) if value else None
    return value
