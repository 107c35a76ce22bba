"""What a kind of analysis is: a pure function from a run to files; and what that function sees of the run.

    KIND = Kind("umap", "Map of the cells", perform, defaults={"n_neighbors": 15}, separate=True)

    def perform(context, options, progress):
        context.latent; context.adata; context.model; context.result("neighbours")     # opened when first asked for
        context.save("xy", xy)
        return {"n_obs": len(xy)}                                                      # facts, plain JSON

``progress(0.4, "placing the cells")`` ends the work when the job was canceled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..datasets import open_prepared
from ..devices import no_cluster
from ..errors import Conflict
from ..jobs import OnProgress
from ..types import DatasetRef, RunRecord
from ._results import AnalysisResult, Wanted

if TYPE_CHECKING:
    from anndata import AnnData
    from scvi.model import SCVI

Options = Mapping[str, Any]  # plain JSON
Facts = dict[str, Any]  # plain JSON
Step = tuple[str, dict[str, Any]]  # name of a kind, its options


class Context:
    """What an analysis sees of its run. ``close`` takes the cells out of scvi-tools' stores again."""

    def __init__(
        self,
        record: RunRecord,
        dataset: DatasetRef | None,
        run_dir: Path,
        folder: Path,
        find: Callable[[str, Options], AnalysisResult | None],
        check: Callable[[], None],
        threads: int | None = None,
    ) -> None:
        self.record = record
        self.run_dir = run_dir
        self.folder = folder  # empty; becomes the result when the analysis ends well
        self.check = check  # raises ``JobCanceled`` when the job was asked to end
        self.threads = threads  # how many processor threads to use; None: what libraries choose
        self._dataset = dataset
        self._find = find

    @cached_property
    def latent(self) -> npt.NDArray[np.float32]:
        """Cells x n_latent, mapped from disk."""
        mapped: npt.NDArray[np.float32] = np.load(
            self.run_dir / "latent.npy", mmap_mode="r", allow_pickle=False
        )
        return mapped

    @cached_property
    def adata(self) -> AnnData:
        """The prepared cells, as ``open_prepared`` gives them."""
        if self._dataset is None:
            raise Conflict("The data set of this run was removed. Load and prepare the file again.")
        return open_prepared(self._dataset)

    @cached_property
    def model(self) -> SCVI:
        """The trained model on those cells."""
        return load_model(self.record, self.run_dir, self.adata, self.threads)

    def result(self, kind: str, **options: Any) -> AnalysisResult:
        """An analysis that was named in ``Kind.needs``."""
        found = self._find(kind, options)
        assert found is not None, f"{kind} is not among what this analysis needs"
        return found

    def save(self, name: str, values: npt.NDArray[Any]) -> None:
        """Write an array that ``AnalysisResult.array(name)`` reads."""
        np.save(self.folder / f"{name}.npy", values, allow_pickle=False)

    def close(self) -> None:
        if model := self.__dict__.pop("model", None):
            model.deregister_manager(model.adata)
            model._per_instance_manager_store.pop(model.id, None)
        self.__dict__.pop("adata", None)
        self.__dict__.pop("latent", None)


def load_model(record: RunRecord, run_dir: Path, adata: AnnData, threads: int | None) -> SCVI:
    """Only what this workspace trained is loaded: ``model.pt`` is a pickle, which can run anybody's code."""
    if record.imported_from:
        raise Conflict(
            "This run was imported from another computer. Such models are not opened here, because opening "
            "one can run hidden code."
        )
    folder = run_dir / "model"
    if not (folder / "model.pt").is_file():
        raise Conflict("The model of this run is missing on disk. Train it again with the same settings.")
    import scvi  # takes seconds
    import torch

    no_cluster()
    logging.getLogger("scvi").setLevel(logging.WARNING)  # it announces every file it loads
    if threads:
        torch.set_num_threads(threads)
    there = record.device.startswith("cuda") and torch.cuda.is_available()
    return scvi.model.SCVI.load(str(folder), adata=adata, accelerator="gpu" if there else "cpu")


def _nothing(options: Options) -> tuple[Step, ...]:
    return ()


@dataclass(frozen=True)
class Kind:
    """One way to look into a run."""

    name: str
    title: str  # of the job, before "of <run>"
    perform: Callable[[Context, Options, OnProgress], Facts | None]
    defaults: Mapping[str, Any] = field(default_factory=dict)  # every option there is
    needs: Callable[[Options], tuple[Step, ...]] = _nothing  # what is made first, in this order
    needs_latent: bool = True  # refuse a run that has no latent space yet
    separate: bool = False  # in a process of its own: what holds Python's lock for long would stall the pages
    weight: float = 1.0  # share of a job's progress bar, where the job has several steps
    version: int = 1  # raise it when results of before no longer fit

    def wanted(self, options: Options) -> Wanted:
        """``options`` with the defaults of those not given, in one order."""
        unknown = set(options) - set(self.defaults)
        assert not unknown, f"{self.name} has no option {sorted(unknown)}"
        complete = {name: options.get(name, default) for name, default in sorted(self.defaults.items())}
        return Wanted(self.name, self.version, complete)
