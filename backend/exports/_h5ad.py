"""The prepared cells with the latent space, the map, the clusters and the names given to cells. No matrix in RAM.

``X`` holds the counts that the model was trained on, so that ``SCVI.load(folder, adata=...)`` takes the file as it is.
Where genes were selected, ``.raw`` holds the counts of all genes. Where the file that was brought had its counts in
``.raw`` beside another ``X`` (as CELLxGENE asks for), both are as they were there. ``var["highly_variable"]`` marks the
selected genes, ``uns["scvi_studio"]["counts_in"]`` says where the counts of all genes are. All other tables, embeddings
and notes of the file travel along.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..charts import group_colours
from ..errors import Conflict
from ..storage import shows_others
from ..types import DatasetRef, SourceRef
from ._export import Explored, Export, Run
from ._methods import methods_text

if TYPE_CHECKING:  # anndata takes a second to import
    import h5py
    import pandas as pd

# What goes into ``uns`` is a tree of ``Any`` plain values.

CLUSTERS, LABELS, LATENT, MAP = "scvi_cluster", "scvi_label", "X_scVI", "X_umap"
SELECTED = "highly_variable"
_BLOCK = 4096  # rows of a matrix (columns, where it is stored by columns) at once


def _write(run: Run, path: Path) -> None:
    import h5py
    from anndata.io import write_elem

    dataset, found, latent = run.trained_on, run.found, np.load(run.latent, allow_pickle=False)
    about = {**run.about(), "methods": methods_text(run)}
    if latent.shape[0] != dataset.n_obs:
        raise Conflict(
            "The latent space of this run does not fit its data set any more. Train the run again."
        )
    _copy_cells(dataset, path)
    with h5py.File(path, "r+") as file:
        for group in ("obsm", "uns"):
            if group not in file:
                write_elem(file, group, {})
        in_raw = (
            dataset.prepare.counts == "raw/X" and run.source is not None and _restore_raw(file, run.source)
        )
        in_raw = _mark_selected(file, Path(dataset.path), restored=in_raw)
        write_elem(file["obsm"], LATENT, latent)
        if found.umap is not None:
            if MAP in file["obsm"]:  # of the file that was brought
                name = f"{MAP}_before"
                if name in file["obsm"]:
                    del file["obsm"][name]
                file["obsm"].move(MAP, name)
            write_elem(file["obsm"], MAP, found.umap)
        found_out = _groups_of_cells(found)
        _add_columns(file["obs"], found_out)
        for name, column in found_out.items():
            colours = group_colours()
            if len(column.categories) <= len(colours):  # scanpy draws them as the map here does
                write_elem(
                    file["uns"], f"{name}_colors", np.array(colours[: len(column.categories)], dtype=object)
                )
        write_elem(file["uns"], "scvi_studio", _plain({**about, "counts_in": "raw/X" if in_raw else "X"}))


def _made_from(run: Run) -> Iterable[Path]:
    assert run.model  # a run without one says so
    return [run.latent, *run.found.files]


H5AD = Export("data.h5ad", _write, made_from=_made_from)


def _copy_cells(dataset: DatasetRef, path: Path) -> None:
    """All genes of exactly the cells that were trained on."""
    import h5py

    whole = Path(dataset.full_path or dataset.path)
    if whole == Path(dataset.path):
        shutil.copyfile(whole, path)
        return
    with h5py.File(whole, "r") as everything, h5py.File(dataset.path, "r") as trained:
        names, wanted = _names(everything["obs"]), _names(trained["obs"])
    if len(names) == len(wanted):
        shutil.copyfile(whole, path)
    elif names.is_unique and names.isin(wanted).sum() == len(wanted):
        # choosing genes left some cells without counts, and those were not trained on
        _keep_rows(whole, path, np.flatnonzero(names.isin(wanted)))
    else:  # cells cannot be told apart by name: then the genes that were trained on
        shutil.copyfile(dataset.path, path)


def _names(table: h5py.Group) -> pd.Index:
    """Of the cells in ``obs``, of the genes in ``var``."""
    from anndata.io import read_elem

    return read_elem(table).index


def _groups_of_cells(found: Explored) -> dict[str, pd.Categorical]:
    import pandas as pd

    columns: dict[str, pd.Categorical] = {}
    if found.clusters is not None:
        levels = [str(number + 1) for number in range(found.n_clusters)]  # as on the map
        columns[CLUSTERS] = pd.Categorical.from_codes(found.clusters, categories=levels)
    if found.labels is not None and found.names is not None:
        in_order = list(dict.fromkeys(found.names))  # of the clusters: "Cluster 10" comes after "Cluster 9"
        columns[LABELS] = pd.Categorical(found.labels, categories=in_order)
    for name, groups in found.annotations.items():
        columns[name] = pd.Categorical.from_codes(groups.codes, categories=list(groups.levels))
    return columns


def _add_columns(table: h5py.Group, columns: Mapping[str, pd.Categorical | npt.NDArray[np.bool_]]) -> None:
    """To ``obs`` or ``var``, in place of columns of the same name."""
    import h5py
    from anndata.io import write_elem

    order = [str(name) for name in table.attrs["column-order"]]
    for name, values in columns.items():
        if name in table:
            del table[name]
        write_elem(table, name, values)
    order += [name for name in columns if name not in order]
    table.attrs["column-order"] = np.array(order, dtype=h5py.string_dtype())


def _mark_selected(file: h5py.File, trained: Path, *, restored: bool) -> bool:
    """Say which genes were trained on; True where the counts of all genes are in ``.raw`` (``restored``: already)."""
    import h5py

    with h5py.File(trained, "r") as selected:
        genes, everything = _names(selected["var"]), _names(file["raw/var" if restored else "var"])
        if len(genes) == len(everything):
            return restored
        tables = [file["raw/var"], file["var"]] if restored else [file["var"]]
        for table in tables:
            _add_columns(table, {SELECTED: np.asarray(_names(table).isin(genes))})
        if not restored:
            _move_to_raw(file)
            selected.copy("X", file)
            selected.copy("var", file)
            _add_columns(file["var"], {SELECTED: np.ones(len(genes), dtype=bool)})
    return True


def _plain(value: Any) -> Any:
    """As ``uns`` can hold it: nothing that is None or an empty list, lists as arrays of text."""
    if isinstance(value, dict):
        kept = {str(key).replace("/", "_"): _plain(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return np.array([str(item) for item in value], dtype=object) if value else None
    return value


# --- counts back in .raw, beside the X of the file that was brought ---


def _restore_raw(file: h5py.File, source: SourceRef) -> bool:
    """``file`` is a copy of the prepared cells, open for writing. True where it was done; else counts stay in X."""
    import h5py
    from anndata.io import read_elem, write_elem

    path = Path(source.path)
    if not path.is_file() or path.stat().st_size != source.size:
        return False
    try:
        with h5py.File(path, "r", locking="best-effort") as brought:
            if shows_others(brought) or "X" not in brought or "raw/var" not in brought:
                return False
            everyone = _names(brought["obs"])
            rows = _rows_of(everyone, _names(file["obs"]))
            if rows is None:
                return False
            var = read_elem(brought["var"])
            _move_to_raw(file)
            if len(rows) == len(everyone):
                brought.copy("X", file)
            else:
                _copy_rows(brought["X"], file, "X", rows)
            write_elem(file, "var", var)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):  # the file is not what it was
        if "raw" in file:
            _move_back(file)
        return False
    return True


def _rows_of(brought: pd.Index, kept: pd.Index) -> npt.NDArray[np.intp] | None:
    """Where the prepared cells stand in the file that was brought; None where that cannot be told."""
    brought, kept = brought.astype(str), kept.astype(str)
    if len(brought) == len(kept):
        return np.arange(len(kept))
    mask = brought.isin(kept)
    if brought.is_unique and mask.sum() == len(kept) and (brought[mask] == kept).all():
        return np.flatnonzero(mask)
    return None


def _move_to_raw(file: h5py.File) -> None:
    from anndata.io import write_elem

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


# --- some cells of a file, block by block ---


def _keep_rows(source: Path, target: Path, rows: npt.NDArray[np.intp]) -> None:
    """A copy of a prepared file with ``rows`` (ascending) of its cells."""
    import h5py
    from anndata.io import read_elem, write_elem

    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        _copy_rows(old["X"], new, "X", rows)
        write_elem(new, "obs", read_elem(old["obs"]).iloc[rows])
        write_elem(new, "obsm", {name: read_elem(node)[rows] for name, node in old["obsm"].items()})
        for name in ("var", "varm", "varp", "uns"):
            if name in old:
                old.copy(name, new)
        for name in ("layers", "obsp"):  # prepared files have none
            write_elem(new, name, {})


def _copy_rows(
    old: h5py.Group | h5py.Dataset, into: h5py.Group, name: str, rows: npt.NDArray[np.intp]
) -> None:
    """``rows`` (ascending) of a matrix, dense or sparse by rows or by columns."""
    if not hasattr(old, "keys"):
        new = into.create_dataset(name, shape=(len(rows), old.shape[1]), dtype=old.dtype, chunks=old.chunks)
        new.attrs.update(old.attrs)
        for first in range(0, len(rows), _BLOCK):
            chosen = rows[first : first + _BLOCK]
            low = chosen[0]
            new[first : first + len(chosen)] = old[low : chosen[-1] + 1][chosen - low]
        return
    by_rows = old.attrs["encoding-type"] == "csr_matrix"
    new = into.create_group(name)
    new.attrs.update(old.attrs)
    new.attrs["shape"] = np.array([len(rows), old.attrs["shape"][1]], dtype=np.int64)
    starts = old["indptr"][()]
    place = np.full(old.attrs["shape"][0], -1)  # of each row in the new matrix
    place[rows] = np.arange(len(rows))
    lengths = np.zeros(len(rows) if by_rows else len(starts) - 1, dtype=np.int64)
    columns = {
        part: new.create_dataset(part, shape=(0,), maxshape=(None,), dtype=old[part].dtype, chunks=(1 << 16,))
        for part in ("data", "indices")
    }
    for first in range(0, len(starts) - 1, _BLOCK):
        last = min(first + _BLOCK, len(starts) - 1)
        low, high = int(starts[first]), int(starts[last])
        major = np.repeat(np.arange(first, last), np.diff(starts[first : last + 1]))
        values = {part: old[part][low:high] for part in columns}
        at = place[major if by_rows else values["indices"]]
        kept = at >= 0
        lengths += np.bincount((at if by_rows else major)[kept], minlength=len(lengths))
        if not by_rows:
            values["indices"] = at
        for part, column in columns.items():
            end = column.shape[0]
            column.resize((end + int(kept.sum()),))
            column[end:] = values[part][kept]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(starts.dtype)
    new.create_dataset("indptr", data=indptr)
