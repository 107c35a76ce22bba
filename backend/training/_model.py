"""Build the ``SCVI`` model of a spec, and save it so that plain scvi-tools opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scvi

from ..storage import building, write_array
from ..types import RunSpec

if TYPE_CHECKING:
    from anndata import AnnData

MODEL = "model"
LATENT = "latent.npy"
LATENT_PART = 8192  # cells encoded at a time: whole minibatches, so that the numbers stay the same


def seed_everything(seed: int) -> None:
    """``scvi.settings.seed = seed`` without the environment variable it makes longer each time."""
    flags = os.environ.get("XLA_FLAGS")
    scvi.settings.seed = seed
    if flags is None:
        os.environ.pop("XLA_FLAGS", None)
    else:
        os.environ["XLA_FLAGS"] = flags


# A model is ``Any`` in this room: scvi-tools has no types.
def build_model(spec: RunSpec, adata: AnnData) -> Any:
    """Register the cells and make the untrained model, drawing random numbers in scvi-tools' own order."""
    scvi.model.SCVI.setup_anndata(
        adata,
        batch_key=spec.batch_key,
        categorical_covariate_keys=list(spec.categorical_covariate_keys) or None,
        continuous_covariate_keys=list(spec.continuous_covariate_keys) or None,
    )
    return scvi.model.SCVI(
        adata,
        n_hidden=spec.n_hidden,
        n_latent=spec.n_latent,
        n_layers=spec.n_layers,
        dropout_rate=spec.dropout_rate,
        dispersion=spec.dispersion,
        gene_likelihood=spec.gene_likelihood,
    )


def release_model(model: Any) -> None:
    """Take the cells out of scvi-tools' class-level stores, which would keep them for good."""
    model.deregister_manager(model.adata)
    model._per_instance_manager_store.pop(model.id, None)


def save_model(model: Any, run_dir: Path) -> None:
    """``SCVI.save`` without cells: written beside, then put in the place of an earlier one."""
    with building(run_dir / MODEL, "the model", replace=True) as folder:
        model.save(str(folder), save_anndata=False, overwrite=True)


def save_latent(model: Any, run_dir: Path) -> None:
    """Mean of q(z|x) of every cell, float32, cells in the order of the prepared data set."""
    # in parts: small results kept between large minibatches leave holes in the heap, hundreds of MB of them
    n_obs = model.adata.n_obs
    parts = [range(start, min(start + LATENT_PART, n_obs)) for start in range(0, n_obs, LATENT_PART)]
    latent = np.concatenate(
        [model.get_latent_representation(indices=list(part)).astype(np.float32) for part in parts]
    )
    write_array(run_dir / LATENT, latent)
