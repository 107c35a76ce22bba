"""What an analysis sees of its run: record, latent, cells, model, and the folder it writes to.

    context.latent            # cells x n_latent, float32, mapped from disk
    context.adata             # the prepared cells (``open_prepared``)
    context.model             # the trained ``SCVI`` on those cells; its own file of this workspace, never another's
    context.result("umap")    # an analysis that was named in ``Kind.needs``

Each is opened when first asked for. ``close`` takes the cells out of scvi-tools' stores again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets import open_prepared
from ..errors import Conflict
from ..types import DatasetRef, RunRecord
from ._results import AnalysisResult

if TYPE_CHECKING:
    from anndata import AnnData

Find = Callable[..., AnalysisResult | None]


class Context:
    def __init__(
        self,
        record: RunRecord,
        dataset: DatasetRef | None,
        run_dir: Path,
        folder: Path,
        find: Find,
        check: Callable[[], None],
        threads: int | None = None,
    ) -> None:
        self.record = record
        self.run_dir = run_dir
        self.folder = folder  # empty; becomes the result when the analysis ends well
        self.check = check  # raises ``AnalysisCanceled`` when the job was asked to end
        self.threads = threads  # how many processor threads to use; None: what libraries choose
        self._dataset = dataset
        self._find = find

    @property
    def dataset(self) -> DatasetRef:
        if self._dataset is None:
            raise Conflict("The data set of this run was removed. Bring and prepare the file again.")
        return self._dataset

    @cached_property
    def latent(self) -> np.ndarray:
        return np.load(self.run_dir / "latent.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def adata(self) -> AnnData:
        return open_prepared(self.dataset)

    @cached_property
    def model(self) -> Any:
        from ._model import load_model  # scvi-tools takes seconds to import

        return load_model(self.record, self.run_dir, self.adata, self.threads)

    def result(self, kind: str, **options: Any) -> AnalysisResult:
        found = self._find(kind, **options)
        assert found is not None, f"{kind} is not among what this analysis needs"
        return found

    def save(self, name: str, values: np.ndarray) -> None:
        """Write an array that ``AnalysisResult.array(name)`` reads."""
        np.save(self.folder / f"{name}.npy", values, allow_pickle=False)

    def close(self) -> None:
        if "model" in self.__dict__:
            from ._model import release_model

            release_model(self.__dict__.pop("model"))
        self.__dict__.pop("adata", None)
        self.__dict__.pop("latent", None)
