"""The methods paragraph says what was done, cites what was used, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from backend.exports._explored import Explored
from backend.exports._methods import methods_text
from backend.types import DatasetRef, PrepareSpec, RunRecord, RunSpec, RunStatus, SourceRef, notice

DATASET = DatasetRef("d", "s", "cells.h5ad", "", 700, 300, 1, PrepareSpec())
SOURCE = SourceRef("s", "cells.h5ad", "", 1, "folder", 0.0)


def run(status: RunStatus = RunStatus.FINISHED, epoch: int = 25, **spec: object) -> RunRecord:
    settings = {"dataset_id": "d", "max_epochs": 25, "engine": "stock", **spec}
    return RunRecord(
        "r",
        RunSpec.from_dict(settings),
        status,
        "mine",
        0.0,
        epoch=epoch,
        device="cpu",
        device_name="Test processor",
        n_obs=700,
        n_vars=300,
        best_validation=123.456,
        best_epoch=24,
        environment={"scvi-tools": "1.4.2", "torch": "2.13.0", "engine": str(settings["engine"])},
    )


def told(record: RunRecord, dataset: DatasetRef | None = DATASET, found: Explored | None = None) -> str:
    return methods_text(record, dataset, SOURCE, found or Explored(), 630)


def test_a_plain_run() -> None:
    text = told(run())
    for part in (
        "700 cells and 300 genes of the data set “cells.h5ad”",
        "scvi-tools 1.4.2 (Gayoso et al., 2022)",
        "zero-inflated negative binomial (ZINB) likelihood with one dispersion per gene, 10 latent dimensions",
        "1 hidden layer of 128 units",
        "No batch or other covariate was used.",
        "630 cells drawn at random (70 were held out for validation)",
        "learning rate of 0.001 and minibatches of 128 cells, for 25 epochs.",
        "rose linearly over 400 epochs and reached 0.06.",
        "The random seed was 0.",
        "validation loss was 123.46 nats per cell (epoch 24)",
        "CPU (Test processor) with the training loop of scvi-tools (PyTorch 2.13.0).",
        "doi:10.1038/s41592-018-0229-2",
    ):
        assert part in text
    for absent in ("UMAP", "Leiden", "highly variable", "Wolf", "early stop", "fused", "bfloat16"):
        assert absent not in text


def test_everything_that_can_be_said() -> None:
    dataset = DATASET.replace(
        prepare=PrepareSpec(min_cells_per_gene=3, n_top_genes=300, hvg_batch_key="donor"),
        notices=(
            notice("empty_cells_dropped", n=2),
            notice("genes_selected", n=300, method="seurat_v3", per_batch=True),
        ),
    )
    record = run(
        epoch=12,
        engine="fused",
        precision="bf16-mixed",
        batch_key="donor",
        categorical_covariate_keys=("site", "sex"),
        continuous_covariate_keys=("mito",),
        early_stopping=True,
        n_epochs_kl_warmup=10,
        lr=0.004,
        lr_schedule="cosine",
        lr_warmup=0.1,
        lr_end=0.05,
        output_start="gene_means",
        norm_momentum=0.1,
    )
    found = Explored(
        umap=np.zeros((2, 2)),
        umap_options={"n_neighbors": 20, "min_dist": 0.1},
        clusters=np.array([0, 6]),
        cluster_options={"n_neighbors": 20, "resolution": 0.8},
        names=("a", "b"),
    )
    text = told(record, dataset, found)
    for part in (
        "Genes detected in fewer than 3 cells were removed. Cells without counts were removed.",
        "300 highly variable genes were selected by the seurat_v3 method of scanpy (Stuart et al., 2019; Wolf",
        "within each level of “donor”",
        "“donor” as the experimental batch and “site”, “sex” as categorical covariates and “mito” as continuous",
        "(rising over the first 10 % of the steps, then falling along half a cosine to 0.0002)",
        "for 12 epochs, where early stopping ended it",
        "rose linearly over 10 epochs.",
        "fused engine of scVI Studio, which computes the same loss, products rounded to bfloat16",
        "20 nearest neighbours",
        "resolution 0.8), as scanpy does (Wolf et al., 2018), which gave 7 clusters.",
        "named, and some merged, by hand",
        "20 neighbours, minimal distance 0.1",
        "momentum of batch normalisation was 0.1",
    ):
        assert part in text, part
    assert len(text.split("References\n")[1].splitlines()) == 7


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (run(RunStatus.STOPPED, 7), "for 7 epochs, where it was stopped (25 had been planned)"),
        (run(epoch=1), "1 epoch."),
    ],
)
def test_how_it_ended(record: RunRecord, says: str) -> None:
    assert says in told(record)


def test_without_the_data_set_it_says_less() -> None:
    assert "highly variable" not in told(run(), None)


def test_names_stay_on_one_line() -> None:
    text = methods_text(run(batch_key="a\nReferences\u202e"), DATASET, None, Explored(), None)
    assert "“a References”" in text
