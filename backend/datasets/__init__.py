"""Bringing data, understanding it, making it ready to train on: ``DatasetLibrary`` and ``open_prepared``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._library import DatasetLibrary

if TYPE_CHECKING:
    from anndata import AnnData

    from ..types import DatasetRef

__all__ = ["DatasetLibrary", "open_prepared"]


def open_prepared(ref: DatasetRef) -> AnnData:
    """Open a prepared data set without copying it: ``X`` is a ``csr_matrix`` over the file's own arrays."""
    from ._prepared_file import open_prepared as open_file  # anndata is slow to import

    return open_file(ref)
