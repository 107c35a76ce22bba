"""Bringing data, understanding it, making it ready to train on: ``DatasetLibrary`` and ``open_prepared``.

``inspect_source`` and ``prepare_source`` are what its child processes do, on one file and at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._folder import FolderFile
from ._library import DatasetLibrary
from ._public import PublicSet

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from ..jobs import OnProgress
    from ..quality import Quality
    from ..types import DatasetRef, DatasetReport, DesignChoice, DesignReport, PrepareSpec, SourceRef

__all__ = [
    "DatasetLibrary",
    "FolderFile",
    "PublicSet",
    "check_design",
    "inspect_source",
    "measure_quality",
    "open_prepared",
    "prepare_source",
    "read_obs",
]


def open_prepared(ref: DatasetRef) -> AnnData:
    """Open a prepared data set without copying it: ``X`` is a ``csr_matrix`` over the file's own arrays."""
    from ._prepared_file import open_prepared as open_file  # anndata is slow to import

    return open_file(ref)


def read_obs(path: str, column: str) -> pd.Series[Any]:
    """One column of the table of cells of a prepared file; nothing else of it is read."""
    from ._one_column import read_obs as read

    return read(path, column)


def inspect_source(source: SourceRef, on_progress: OnProgress) -> DatasetReport:
    """Read a file through once: which matrix holds counts, what the columns are, what is wrong."""
    from ._inspect import inspect_source as inspect

    return inspect(source, on_progress)


def prepare_source(
    source: SourceRef,
    spec: PrepareSpec,
    out_dir: Path,
    on_progress: OnProgress,
    *,
    full: Path | None = None,
    doublets: Path | None = None,
) -> dict[str, Any]:
    """Write ``out_dir/data.h5ad``; with ``full``, genes are selected from that prepared file. Returns the facts.

    ``doublets``: the folder of scores of the same samples, where there is one; else cells are scored on the way.
    """
    from ._prepare import prepare_source as prepare

    return prepare(source, spec, out_dir, on_progress, full=full, doublets=doublets)


def check_design(obs: pd.DataFrame, choice: DesignChoice, source_id: str) -> DesignReport:
    """Cross the columns of a cell table that ``choice`` names: what can be told apart, and what cannot."""
    from ._design import check_design as check

    return check(obs, choice, source_id)


def measure_quality(source: SourceRef, spec: PrepareSpec, folder: Path, on_progress: OnProgress) -> Quality:
    """Measure each cell of the matrix that ``spec`` names, in one pass; what was found is kept in ``folder``."""
    from ._quality import measure_source, read_quality

    measure_source(source, spec, folder, on_progress)
    found = read_quality(folder)
    assert found is not None
    return found
