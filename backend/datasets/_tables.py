"""The tables of cells and genes, and what else travels with them, in every encoding AnnData has had.

    tables = read_tables(h5, "h5ad", "raw/X")    # .obs, .var, .skipped, .notices
    extras = read_extras(h5, n_obs)              # obsm and uns, as far as they can be read
    frame, renamed = storable(frame)             # what an h5ad can hold: plain columns, text as text

A part that cannot be read is left out and named in ``skipped``; it never stops the rest. What a file states about
its sizes is looked at before anything is read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from ..columns import KIND_COLUMNS, gene_mask
from ..errors import BadFile
from ..storage import is_elsewhere
from ..types import Notice, notice
from ._container import broken_file, legacy_genomes, part_of
from ._stated import stuffed

# What h5py and anndata read of a node may be an array, a pandas column or a text, hence ``Any``.

READ_ERRORS = (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, IndexError)
MOST_NOTES_BYTES = 64 * 1024**2  # of one entry of ``uns``
MOST_EMBEDDING_BYTES = 2 * 1024**3
MOST_EMBEDDING_COLUMNS = 2_000
MOST_NUMBERED = 10_000_000  # rows without names that get numbers
MOST_LABELS_BYTES = 256 * 1024**2  # of the levels of one column
READ_AS_LATIN_1 = notice("read_as_latin_1")
NAMELESS = "a column without a name"


@dataclass(slots=True)
class Tables:
    obs: pd.DataFrame
    var: pd.DataFrame  # of the genes that are kept
    skipped: list[str] = field(default_factory=list)  # what could not be read: "obs/x"
    notices: list[Notice] = field(default_factory=list)  # how something was read


@dataclass(slots=True)
class Extras:
    obsm: dict[str, Any] = field(default_factory=dict)
    uns: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def read_tables(h5: h5py.File, container: str, where: str) -> Tables:
    """Cells and genes that belong to the matrix ``where``.

    Raises
    ------
    BadFile
        The tables cannot be read at all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old encodings and repeated names: handled and reported by us
        try:
            return _tenx_tables(h5) if container == "10x" else _h5ad_tables(h5, where)
        except BadFile:
            raise
        except READ_ERRORS as error:
            raise broken_file(error) from None


def read_extras(h5: h5py.File, n_obs: int) -> Extras:
    """Embeddings (``obsm``) and unstructured notes (``uns``) of an h5ad.

    What cannot be read is skipped, and what is very large is not even looked into.
    """
    extras = Extras()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, value in _entries(h5, "obsm", MOST_EMBEDDING_BYTES, extras.skipped):
            if isinstance(value, pd.DataFrame):
                value = value.to_numpy()
            if isinstance(value, sparse.spmatrix | sparse.sparray):
                value = sparse.csr_matrix(value)
            fits = getattr(value, "ndim", 0) == 2 and value.shape[0] == n_obs and value.dtype.kind in "biuf"
            if fits and value.shape[1] <= MOST_EMBEDDING_COLUMNS:
                extras.obsm[key] = value
            else:
                extras.skipped.append(f"obsm/{key}")
        for key, value in _entries(h5, "uns", MOST_NOTES_BYTES, extras.skipped):
            extras.uns[key] = value
    return extras


def storable(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """A copy that h5ad can hold, and the columns that had to be renamed for that.

    Text index, plain distinct column names, columns of one type each.
    """
    columns: dict[str, Any] = {}
    renamed = {}
    for position, name in enumerate(frame.columns):
        key = str(name).replace("/", "_") or "column"
        key = "index_" if key == "_index" else key
        while key in columns:
            key += "_"
        if key != str(name):
            renamed[str(name)] = key
        columns[key] = _storable_column(frame.iloc[:, position])
    index = pd.Index(frame.index.astype(str), dtype=object)
    return pd.DataFrame(columns, index=index), renamed


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
    if pd.api.types.is_bool_dtype(dtype):  # nullable: True and False stay what they are
        return _as_categorical(column) if column.isna().any() else column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)  # nullable numbers
    return _as_categorical(column)


def _as_categorical(column: pd.Series) -> pd.Categorical:
    gone = column.isna().to_numpy(dtype=bool)
    text = column.astype(object).map(str)
    return pd.Categorical(text.mask(gone, None))


def _entries(h5: h5py.File, name: str, limit: int, skipped: list[str]) -> Iterator[tuple[str, Any]]:
    """Name and value of every entry that can be read and is not larger than ``limit`` bytes."""
    node = h5.get(name)
    if isinstance(node, h5py.Dataset):  # before anndata 0.7: one compound array with a field per entry
        if node.dtype.names and node.size * node.dtype.itemsize <= limit:
            values = node[()]
            yield from ((key, values[key]) for key in values.dtype.names)
        return
    for key in node if isinstance(node, h5py.Group) else ():
        try:
            if _bytes_of(node[key]) > limit:
                raise ValueError("very large")
            value = read_elem(node[key])
        except Exception:  # whatever a writer of another tool left there
            outside = " (kept in another file)" if is_elsewhere(node, key) else ""
            skipped.append(f"{name}/{key}{outside}")
            continue
        yield key, value


def _bytes_of(node: h5py.Group | h5py.Dataset) -> int:
    """What reading ``node`` would take, as it states itself."""
    if isinstance(node, h5py.Dataset):
        return int(node.size or 0) * int(node.dtype.itemsize)
    return sum(_bytes_of(node[key]) for key in node)


# --- h5ad -----------------------------------------------------------------------------------------------


def _h5ad_tables(h5: h5py.File, where: str) -> Tables:
    skipped: list[str] = []
    notices: list[Notice] = []
    n_obs, n_vars = _stated_shape(h5, where)
    obs = _frame(h5, "obs", n_obs, skipped, notices)
    var = _frame(h5, var_key(h5, where), n_vars, skipped, notices)
    keep = genes_of(h5, "h5ad", where)
    return Tables(obs, var if keep is None or len(keep) != len(var) else var[keep], skipped, notices)


def var_key(h5: h5py.File, where: str) -> str:
    """The table of genes of the matrix ``where``."""
    if where != "raw/X":
        return "var"
    return "raw/var" if "raw/X" in h5 else "raw.var"


def n_rows(h5: h5py.File, key: str) -> int | None:
    """How many rows the table ``key`` states to have; nothing of it is read. None where it does not say."""
    node = h5.get(key)
    if isinstance(node, h5py.Dataset):
        return int(node.shape[0]) if node.shape else None
    index = node.get(_index_name(node)) if isinstance(node, h5py.Group) else None
    if isinstance(index, h5py.Group):
        index = index.get("codes", index.get("values"))
    return int(index.shape[0]) if isinstance(index, h5py.Dataset) and index.shape else None


def genes_of(h5: h5py.File, container: str, where: str) -> npt.NDArray[np.bool_] | None:
    """(features,) which are genes; None where all are, or the file does not tell."""
    kinds: Any = None
    if container == "10x":
        group = h5[tenx_group(h5)]
        if "features/feature_type" in group:
            with suppress(*READ_ERRORS):  # named among the skipped by who reads the list
                kinds = _text(group["features/feature_type"], [])
    else:
        table = h5.get(var_key(h5, where))
        names = [name for name in KIND_COLUMNS if isinstance(table, h5py.Group) and name in table]
        for name in names:
            try:
                kinds = pd.Series(_column(table, name, [])).astype(object).fillna("").map(str)
                break
            except Exception:
                continue  # named among the skipped by who reads the table
    mask = None if kinds is None else gene_mask(list(kinds))
    return None if mask is None or mask.all() else mask


def _stated_shape(h5: h5py.File, where: str) -> tuple[int | None, int | None]:
    """Cells and features of a matrix, as it says itself."""
    node = h5.get("raw.X" if where == "raw/X" and "raw/X" not in h5 else where)
    shape = node.shape if isinstance(node, h5py.Dataset) else None
    if isinstance(node, h5py.Group):
        shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    return (int(shape[0]), int(shape[1])) if shape is not None and len(shape) == 2 else (None, None)


def _frame(
    h5: h5py.File, key: str, stated: int | None, skipped: list[str], notices: list[Notice]
) -> pd.DataFrame:
    """A table; where its rows have no names, ``stated`` ones with numbers for names."""
    node = h5[key]
    if isinstance(node, h5py.Dataset):
        _refuse_stuffed(node, f"The table {key}", "rows")
        return _compound_frame(h5, node, notices)
    try:
        index = _index(node, key, notices)
    except (_Nameless, *READ_ERRORS):  # cells can be told apart by number, genes cannot
        if key != "obs" or stated is None or stated > MOST_NUMBERED:
            raise BadFile(
                f"The names of the rows of the table {key} cannot be read. Save the file anew where it was made."
            ) from None
        index = pd.Index([f"cell{i + 1}" for i in range(stated)])
        skipped.append(f"{key}: the names of its rows")
    columns = {}
    listed = [_plain_name(name) for name in node.attrs.get("column-order", ())]
    own = ("__categories", _index_name(node))
    if "column-order" not in node.attrs and _plain_name(node.attrs.get("encoding-type", "")) == "categorical":
        skipped.append(f"{key}: {NAMELESS}, which was written over the others")
        return pd.DataFrame(index=index)
    for name in listed or [name for name in node if name not in own]:
        try:
            if not name:
                raise ValueError(NAMELESS)
            columns[name] = pd.Series(_column(node, name, notices, len(index)), index=index)
        except _NoLabels:
            skipped.append(f"{key}/{name} (codes without labels)")
        except Exception:  # whatever a writer of another tool left there
            outside = " (kept in another file)" if name and is_elsewhere(node, name) else ""
            skipped.append(f"{key}/{name}{outside}" if name else f"{key}: {NAMELESS}")
    return pd.DataFrame(columns, index=index)


def _index(node: h5py.Group, key: str, notices: list[Notice]) -> pd.Index:
    name = _index_name(node)
    if name not in node:
        raise _Nameless
    _refuse_stuffed(node[name], f"The table {key}", "rows")
    return pd.Index(np.asarray(_column(node, name, notices)).astype(str))


def _refuse_stuffed(node: h5py.Group | h5py.Dataset, what: str, of: str) -> None:
    """Raise ``BadFile`` where room would be made for far more names than the file holds."""
    parts = [node] if isinstance(node, h5py.Dataset) else list(node.values())
    for part in parts:
        if isinstance(part, h5py.Dataset) and stuffed(part):
            raise BadFile(
                f"{what} states {part.size:,} {of}, but holds next to nothing. The file is damaged: copy or download "
                "it again."
            )


def _index_name(node: h5py.Group) -> str:
    stated = _plain_name(node.attrs.get("_index", "_index"))
    return next((name for name in (stated, "_index", "index") if name and name in node), stated)


class _Nameless(Exception):
    """A table does not say what its rows are called."""


class _NoLabels(ValueError):
    """A column of codes whose labels are lost."""


def _column(table: h5py.Group, name: str, notices: list[Notice], n_rows: int | None = None) -> Any:
    """One column in any encoding: an array, or a ``Categorical``. What states another length is not read."""
    node = table[name]
    rows = [node] if isinstance(node, h5py.Dataset) else [v for k, v in node.items() if k != "categories"]
    if n_rows is not None and not all(
        isinstance(one, h5py.Dataset) and one.shape == (n_rows,) for one in rows
    ):
        raise ValueError("it has another number of rows")
    if isinstance(node, h5py.Group):
        if {"codes", "categories"} <= set(node):
            ordered = bool(node.attrs.get("ordered", False))
            return _categorical(node["codes"][()], _levels(node["categories"], notices), ordered)
        return read_elem(node)
    labels = _labels_beside(table, name, node)
    if labels is not None:
        ordered = isinstance(labels, h5py.Dataset) and bool(labels.attrs.get("ordered", False))
        return _categorical(node[()], _levels(labels, notices), ordered)
    if h5py.check_string_dtype(node.dtype) is not None or node.dtype.kind == "S":
        return _text(node, notices)
    if node.dtype.kind not in "biuf":
        raise ValueError("an unknown kind of values")
    return node[()]


def _labels_beside(table: h5py.Group, name: str, node: h5py.Dataset) -> Any:
    """The labels of a column of codes, where files from before anndata 0.8 and other tools keep them."""
    if node.dtype.kind not in "iu":
        return None
    stated = node.attrs.get("categories")
    places = (f"{table.name}/__categories/{name}", f"uns/{name}_categories")
    if stated is None:
        found = next((place for place in places if place in table.file), None)
        return None if found is None else table.file[found]
    if isinstance(stated, h5py.Reference):
        try:
            return node.file[stated]  # not of ``table``, which may be a copy of its group
        except (ValueError, KeyError, RuntimeError):
            found = next((place for place in places if place in table.file), None)
            if found is None:
                raise _NoLabels(name) from None
            return table.file[found]
    return stated  # the labels themselves


def _levels(labels: Any, notices: list[Notice]) -> npt.NDArray[Any]:
    if isinstance(labels, h5py.Group | h5py.Dataset) and _bytes_of(labels) > MOST_LABELS_BYTES:
        raise _NoLabels
    if isinstance(labels, h5py.Group):
        return np.asarray(read_elem(labels))
    if isinstance(labels, h5py.Dataset) and labels.dtype.kind in "biuf":
        return np.atleast_1d(labels[()])
    return np.atleast_1d(_text(labels, notices))


def _categorical(codes: npt.NDArray[Any], levels: npt.NDArray[Any], ordered: bool) -> pd.Categorical:
    """Codes and levels as they were stored; levels that occur twice become one."""
    if codes.dtype.kind not in "iu" or (codes.size and (codes.min() < -1 or codes.max() >= len(levels))):
        raise _NoLabels
    distinct = pd.Index(levels).drop_duplicates()
    distinct = distinct[~distinct.isna()]
    place = np.append(distinct.get_indexer(pd.Index(levels)), -1)
    return pd.Categorical.from_codes(place[codes.astype(np.int64)], distinct, ordered=ordered)


def _plain_name(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _compound_frame(h5: h5py.File, node: h5py.Dataset, notices: list[Notice]) -> pd.DataFrame:
    """A compound table from before anndata 0.7; its categories are in ``uns``."""
    values = node[()]
    names = list(values.dtype.names or ())
    if not names:
        raise BadFile(f"The table {node.name} has no columns. Save the file anew where it was made.")
    columns: dict[str, Any] = {name: _decoded(values[name], notices) for name in names}
    index = columns.pop(names[0])
    for name, codes in columns.items():
        levels = f"uns/{name}_categories"
        if levels in h5 and codes.dtype.kind in "iu":
            try:
                columns[name] = _categorical(codes, _levels(h5[levels], notices), ordered=False)
            except _NoLabels:
                continue  # numbers that happen to be called like it
    return pd.DataFrame(columns, index=pd.Index(index.astype(str)))


def _text(node: Any, notices: list[Notice]) -> npt.NDArray[Any]:
    return _decoded(node[()] if isinstance(node, h5py.Dataset) else node, notices)


def _decoded(values: Any, notices: list[Notice]) -> npt.NDArray[Any]:
    """Text of whatever encoding as ``str``; other values as they are."""
    array: npt.NDArray[Any] = np.asarray(values)
    if array.dtype.kind not in "USO":
        return array
    flat = np.empty(array.size, dtype=object)
    for i, item in enumerate(array.ravel().tolist()):
        if isinstance(item, bytes):
            try:
                item = item.decode("utf-8")
            except UnicodeDecodeError:
                item = item.decode("latin-1")
                if READ_AS_LATIN_1 not in notices:
                    notices.append(READ_AS_LATIN_1)
        flat[i] = item
    return flat.reshape(array.shape)


# --- 10x ------------------------------------------------------------------------------------------------


def tenx_group(h5: h5py.File) -> str:
    """The group with the matrix; of several genomes in an old file the one with the most values."""
    if "matrix" in h5:
        return "matrix"
    return max(legacy_genomes(h5), key=lambda name: int(h5[name]["data"].shape[0]))


def _tenx_tables(h5: h5py.File) -> Tables:
    notices: list[Notice] = []
    skipped: list[str] = []
    group = h5[tenx_group(h5)]
    for name in ("barcodes", "features/id", "features/name", "genes", "gene_names"):
        if isinstance(group.get(name), h5py.Dataset):
            _refuse_stuffed(group[name], f"The list {name}", "names")
    obs = pd.DataFrame(index=pd.Index(_text(group["barcodes"], notices).astype(str)))
    if "features" not in group:
        names = _text(group["gene_names" if "gene_names" in group else "genes"], notices)
        ids = _text(group["genes"], notices)
        return Tables(
            obs,
            pd.DataFrame({"gene_ids": ids.astype(str)}, index=pd.Index(names.astype(str))),
            notices=notices,
        )
    features = group["features"]
    names = _text(features["name" if "name" in features else "id"], notices).astype(str)
    columns = {"gene_ids": _text(features["id"], notices).astype(str)}
    for name in features:
        node = part_of(features, name)
        if name in ("id", "name") or (node is not None and getattr(node, "shape", None) != names.shape):
            continue
        try:
            columns[name] = _text(features[name], notices).astype(str)
        except READ_ERRORS:
            skipped.append(f"{_plain_name(name)} of the features")
    var = pd.DataFrame(columns, index=pd.Index(names))
    keep = genes_of(h5, "10x", "X")
    return Tables(obs, var if keep is None else var[keep], skipped, notices)
