"""Load the model of a run on its cells, and let go of it again.

``model.pt`` is a pickle, so only what this workspace trained is loaded: a run that was brought from another
machine is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..devices import no_cluster
from ..errors import Conflict
from ..types import RunRecord

if TYPE_CHECKING:
    from anndata import AnnData


def load_model(record: RunRecord, run_dir: Path, adata: AnnData, threads: int | None) -> Any:
    if getattr(record, "imported_from", ""):
        raise Conflict(
            "This run was brought from another computer. Models of others are not opened here, because opening "
            "one can run hidden code."
        )
    folder = run_dir / "model"
    if not (folder / "model.pt").is_file():
        raise Conflict("The model of this run is missing on disk. Train it again with the same settings.")
    import logging

    import scvi
    import torch

    no_cluster()
    logging.getLogger("scvi").setLevel(logging.WARNING)  # it announces every file it loads
    if threads:
        torch.set_num_threads(threads)
    there = record.device.startswith("cuda") and torch.cuda.is_available()
    return scvi.model.SCVI.load(str(folder), adata=adata, accelerator="gpu" if there else "cpu")


def release_model(model: Any) -> None:
    """scvi-tools keeps the cells of every model in stores of its classes; take them out."""
    model.deregister_manager(model.adata)
    model._per_instance_manager_store.pop(model.id, None)
