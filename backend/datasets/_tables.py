"""The tables of cells and genes, and what else travels with them, in every encoding AnnData has had.

    tables = read_tables(h5, "h5ad", "raw/X")    # .obs, .var, .skipped
    extras = read_extras(h5, n_obs)              # obsm and uns, as far as they can be read
    frame = storable(frame)                      # what an h5ad can hold: plain columns, text as text

A column that cannot be read is left out and named in ``skipped``; it never stops the rest.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from ..errors import BadFile
from ._container import broken_file
from ._matrices import tenx_group, tenx_keep

WORDS_FOR_MISSING = frozenset({"", "nan", "NaN", "NA", "N/A", "<NA>", "None", "null"})
READ_ERRORS = (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, IndexError)


@dataclass(slots=True)
class Tables:
    obs: pd.DataFrame
    var: pd.DataFrame
    skipped: list[str] = field(default_factory=list)  # columns that could not be read: "obs/x"


@dataclass(slots=True)
class Extras:
    obsm: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def read_tables(h5: h5py.File, container: str, where: str, shape: tuple[int, int] | None = None) -> Tables:
    """Cells and genes that belong to the matrix ``where``.

    Raises
    ------
    BadFile
        The tables cannot be read at all, or do not fit a matrix of ``shape``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old encodings and repeated names: handled and reported by us
        try:
            tables = _tenx_tables(h5) if container == "10x" else _h5ad_tables(h5, where)
        except BadFile:
            raise
        except READ_ERRORS as error:
            raise broken_file(error) from None
    if shape is not None:
        for count, frame, what in ((shape[0], tables.obs, "cells"), (shape[1], tables.var, "genes")):
            if len(frame) != count:
                raise BadFile(
                    f"The file is inconsistent: its table of {what} has {len(frame):,} rows, but the matrix "
                    f"{where} has {count:,} {what}. Save it anew where it was made."
                )
    return tables


def read_extras(h5: h5py.File, n_obs: int) -> Extras:
    """Embeddings (``obsm``) and unstructured notes (``uns``) of an h5ad; unreadable ones are skipped."""
    extras = Extras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, value in _entries(h5, "obsm", extras.skipped):
            if isinstance(value, pd.DataFrame):
                value = value.to_numpy()
            if isinstance(value, sparse.spmatrix | sparse.sparray):
                value = sparse.csr_matrix(value)
            fits = getattr(value, "ndim", 0) == 2 and value.shape[0] == n_obs and value.dtype.kind in "biuf"
            if fits:
                extras.obsm[key] = value
            else:
                extras.skipped.append(f"obsm/{key}")
        for key, value in _entries(h5, "uns", extras.skipped):
            extras.uns[key] = value
    return extras


def missing(column: pd.Series) -> np.ndarray:
    """Mask of values that are not there, words for it included."""
    mask = column.isna().to_numpy(dtype=bool).copy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        blank = [str(level).strip() in WORDS_FOR_MISSING for level in column.cat.categories]
        codes = column.cat.codes.to_numpy()
        mask |= np.append(np.asarray(blank, dtype=bool), False)[codes]
    elif not pd.api.types.is_numeric_dtype(column.dtype):
        mask |= column.astype(str).str.strip().isin(WORDS_FOR_MISSING).to_numpy()
    return mask


def as_text(column: pd.Series) -> pd.Series:
    """The values as words; whole numbers that only a missing value made fractional read 1, not 1.0."""
    if pd.api.types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64)
        finite = np.isfinite(values)
        if (values[finite] == np.rint(values[finite])).all():
            return pd.Series(
                [f"{v:.0f}" if ok else str(v) for v, ok in zip(values, finite, strict=True)], column.index
            )
    return column.astype(object).map(str)


def storable(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy that h5ad can hold: text index, plain distinct column names, columns of one type each."""
    columns: dict[str, Any] = {}
    for position, name in enumerate(frame.columns):
        key = str(name).replace("/", "_") or "column"
        key = "index_" if key == "_index" else key
        while key in columns:
            key += "_"
        columns[key] = _storable_column(frame.iloc[:, position])
    index = pd.Index(frame.index.astype(str), dtype=object)
    return pd.DataFrame(columns, index=index)


def _storable_column(column: pd.Series) -> Any:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        plain = categories.dtype.kind in "biuf" or all(isinstance(level, str) for level in categories)
        if plain:
            return pd.Categorical.from_codes(column.cat.codes, categories, ordered=dtype.ordered)
        return _as_categorical(column)
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return column.to_numpy()
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return column.to_numpy(dtype=np.float64 if dtype.itemsize > 8 else dtype)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)  # nullable integers and booleans
    return _as_categorical(column)


def _as_categorical(column: pd.Series) -> pd.Categorical:
    gone = column.isna().to_numpy(dtype=bool)
    text = column.astype(object).map(str)
    return pd.Categorical(text.mask(gone, None))


def _entries(h5: h5py.File, name: str, skipped: list[str]) -> list[tuple[str, Any]]:
    if name not in h5:
        return []
    node = h5[name]
    if isinstance(node, h5py.Dataset):  # before anndata 0.7: one compound array with a field per entry
        if not node.dtype.names:
            return []
        values = node[()]
        return [(key, values[key]) for key in values.dtype.names]
    found = []
    for key in node:
        try:
            found.append((key, read_elem(node[key])))
        except Exception:  # whatever a writer of another tool left there
            skipped.append(f"{name}/{key}")
    return found


def _h5ad_tables(h5: h5py.File, where: str) -> Tables:
    skipped: list[str] = []
    obs = _frame(h5, "obs", skipped)
    if where == "raw/X":
        var = _frame(h5, "raw/var" if "raw/X" in h5 else "raw.var", skipped)
    else:
        var = _frame(h5, "var", skipped)
    return Tables(obs, var, skipped)


def _frame(h5: h5py.File, key: str, skipped: list[str]) -> pd.DataFrame:
    node = h5[key]
    if isinstance(node, h5py.Dataset):
        return _legacy_frame(h5, node)
    try:
        return read_elem(node)
    except Exception:
        return _by_column(node, key, skipped)


def _by_column(node: h5py.Group, key: str, skipped: list[str]) -> pd.DataFrame:
    """A table one of whose columns cannot be read: all the others."""
    index_name = _plain_name(node.attrs.get("_index", "_index"))
    if index_name not in node:
        index_name = next((name for name in ("_index", "index") if name in node), "")
        if not index_name:
            raise BadFile(f"The table {key} has no names of its rows. Save the file anew where it was made.")
    index = pd.Index(np.asarray(read_elem(node[index_name])).astype(str))
    columns = {}
    listed = [_plain_name(name) for name in node.attrs.get("column-order", ())]
    for name in listed or [name for name in node if name not in (index_name, "__categories")]:
        try:
            value = read_elem(node[name])
            if len(value) != len(index) or getattr(value, "ndim", 1) != 1:
                raise ValueError(name)
            columns[name] = pd.Series(value, index=index)
        except Exception:
            skipped.append(f"{key}/{name}")
    return pd.DataFrame(columns, index=index)


def _plain_name(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _legacy_frame(h5: h5py.File, node: h5py.Dataset) -> pd.DataFrame:
    """A compound table from before anndata 0.7; its categories are in ``uns``."""
    values = node[()]
    names = list(values.dtype.names or ())
    if not names:
        raise BadFile(f"The table {node.name} has no columns. Save the file anew where it was made.")
    columns = {name: _decoded(values[name]) for name in names}
    index = columns.pop(names[0])
    frame = pd.DataFrame(columns, index=pd.Index(index.astype(str)))
    for name in frame.columns:
        levels = f"uns/{name}_categories"
        codes = frame[name].to_numpy()
        if levels not in h5 or codes.dtype.kind not in "iu":
            continue
        categories = np.atleast_1d(_decoded(h5[levels][()]))
        if codes.size == 0 or (codes.min() >= -1 and codes.max() < len(categories)):
            frame[name] = pd.Categorical.from_codes(codes, pd.Index(categories))
    return frame


def _decoded(values: Any) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace").astype(object)
    if values.dtype.kind == "O":
        flat = [
            item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in values.ravel()
        ]
        return np.array(flat, dtype=object).reshape(values.shape)
    return values


def _tenx_tables(h5: h5py.File) -> Tables:
    group = h5[tenx_group(h5)]
    obs = pd.DataFrame(index=pd.Index(_decoded(group["barcodes"][()]).astype(str)))
    if "features" not in group:
        var = pd.DataFrame(
            {"gene_ids": _decoded(group["genes"][()]).astype(str)},
            index=pd.Index(
                _decoded(group["gene_names" if "gene_names" in group else "genes"][()]).astype(str)
            ),
        )
        return Tables(obs, var)
    features = group["features"]
    names = _decoded(features["name" if "name" in features else "id"][()]).astype(str)
    columns = {"gene_ids": _decoded(features["id"][()]).astype(str)}
    for name in features:
        node = features[name]
        if name not in ("id", "name") and isinstance(node, h5py.Dataset) and node.shape == names.shape:
            columns[name] = _decoded(node[()]).astype(str)
    var = pd.DataFrame(columns, index=pd.Index(names))
    keep = tenx_keep(group)
    return Tables(obs, var if keep is None else var[keep])
