"""The methods paragraph says what was done, cites what was used, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.training import share_of_rate
from backend.types import (
    DatasetRef,
    Labels,
    MetricPoint,
    Notice,
    PrepareSpec,
    RunRecord,
    RunSpec,
    RunStatus,
    SourceRef,
    notice,
)
from tests.exports.conftest import Workshop

DATASET = DatasetRef("d", "s", "cells.h5ad", "", 700, 300, 1, PrepareSpec())
SOURCE = SourceRef("s", "cells.h5ad", "", 1, "folder", 0.0)
PER_EPOCH = 5  # minibatches of 128 among 630 cells

Told = Callable[..., str]


@pytest.fixture
def told(workshop: Workshop) -> Told:
    """The paragraph of a run that is made up: its dataset, its status, its epochs, and its settings."""

    def write(
        dataset: DatasetRef | None = DATASET,
        status: RunStatus = RunStatus.FINISHED,
        epoch: int = 25,
        notices: tuple[Notice, ...] = (),
        n_train: int = 630,
        **settings: object,
    ) -> str:
        spec = RunSpec.from_dict({"dataset_id": "d", "max_epochs": 25, "engine": "stock", **settings})
        if dataset is not None:
            workshop.datasets["d"], workshop.sources["s"] = dataset, SOURCE
        workshop.registry.add(
            RunRecord(
                "r1",
                spec,
                status,
                "mine",
                0.0,
                notices=notices,
                epoch=epoch,
                device="cpu",
                device_name="Test processor",
                n_obs=700,
                n_vars=300,
                best_validation=123.456,
                best_epoch=24,
                environment={"scvi-tools": "1.4.2", "torch": "2.13.0", "engine": spec.engine},
            )
        )
        folder = workshop.settings.runs_dir / "r1"
        folder.mkdir(parents=True, exist_ok=True)
        cells = np.arange(700)
        np.savez(folder / "split.npz", train=cells[:n_train], validation=cells[630:], test=cells[n_train:630])
        return workshop.exporter.methods_text("r1")

    return write


def selected(**how: Any) -> DatasetRef:
    way = {
        "method": "seurat_v3",
        "per_batch": True,
        "fell_back": False,
        "batches": 9,
        "wider_fits": 0,
        "left_out": 0,
    }
    return DATASET.replace(
        prepare=PrepareSpec(min_cells_per_gene=3, n_top_genes=300, hvg_batch_key="donor"),
        notices=(notice("empty_cells_dropped", n=2), notice("genes_selected", n=300, **{**way, **how})),
    )


def test_a_plain_run(told: Told) -> None:
    text = told()
    for part in (
        "700 cells and 300 genes of the data set “cells.h5ad”",
        "scvi-tools 1.4.2 (Gayoso et al., 2022)",
        "zero-inflated negative binomial (zinb) likelihood with a dispersion of one per gene (gene), 10 latent dim",
        "1 hidden layer of 128 units",
        "No batch or other covariate was used.",
        "630 cells drawn at random (70 were held out for validation)",
        "learning rate of 0.001 and minibatches of 128 cells, for 25 epochs.",
        "rose linearly over 400 epochs and reached 0.06 in the last one trained.",
        "The random seed was 0.",
        "validation loss was 123.46 nats per cell (epoch 24)",
        "CPU (Test processor) with the training loop of scvi-tools (PyTorch 2.13.0).",
        "doi:10.1038/s41592-018-0229-2",
    ):
        assert part in text
    for absent in ("UMAP", "Leiden", "highly variable", "Wolf", "early stop", "fused", "bfloat16"):
        assert absent not in text


def test_everything_that_can_be_said(told: Told, workshop: Workshop) -> None:
    workshop.find_out("umap", np.zeros((2, 2)), n_neighbors=20, min_dist=0.1)
    clustering = {"n_neighbors": 20, "resolution": 0.8}
    workshop.find_out("leiden", np.array([0, 6]), **clustering)
    workshop.named = Labels(tuple("abcdefg"), clustering)
    text = told(
        selected(),
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
    for part in (
        "Genes detected in fewer than 3 cells were removed. Cells without counts were removed.",
        "300 highly variable genes were selected by the seurat_v3 method of scanpy (Stuart et al., 2019; Wolf",
        "on the counts within each level of “donor”.",
        "“donor” as the experimental batch and “site”, “sex” as categorical covariates and “mito” as continuous",
        "(rising over the first 10 % of the steps, then cosine decay to 0.0002, planned over 25 epochs)",
        "for 12 epochs, where early stopping ended it",
        "rose linearly over 10 epochs.",
        "fused engine of scVI Studio, which computes the same loss, products rounded to bfloat16",
        "the graph of each cell's 19 nearest neighbours in the latent space with the Leiden algorithm",
        "resolution 0.8), as scanpy does (Wolf et al., 2018), which gave 7 clusters.",
        "named, and some merged, by hand",
        "minimal distance 0.1)",
        "momentum of batch normalisation was 0.1",
    ):
        assert part in text, part
    assert len(text.split("References\n")[1].splitlines()) == 7


def test_options_that_an_analysis_did_not_record_are_not_made_up(told: Told, workshop: Workshop) -> None:
    workshop.find_out("umap", np.zeros((2, 2)))
    text = told()
    assert "the graph of nearest neighbours in the latent space was laid out" in text
    assert "minimal distance" not in text


@pytest.mark.parametrize(
    ("how", "says", "absent"),
    [
        (
            {"per_batch": False, "fell_back": True},
            "No level of “donor” allowed a curve fit, so all cells were taken together.",
            "within each level",
        ),
        (
            {"wider_fits": 2, "left_out": 3},
            "within each level of “donor” (3 of 9 levels, too small for a curve fit, were left out). In 2 of 9 levels",
            "No level",
        ),
        (
            {"method": "variance_to_mean", "per_batch": False},
            "by their ratio of variance to mean on the counts.",
            "seurat_v3",
        ),
    ],
)
def test_the_way_genes_were_selected_is_the_way_taken(
    told: Told, how: dict[str, Any], says: str, absent: str
) -> None:
    text = told(selected(**how))
    assert says in text
    assert absent not in text


def test_a_weight_that_is_reached_counts_epochs_from_0_as_scvi_tools_does(told: Told) -> None:
    assert "reached 0.45 in the last" in told(epoch=10, n_epochs_kl_warmup=20)


def test_minibatches_of_an_epoch_that_was_stopped_are_said(told: Told, workshop: Workshop) -> None:
    text = told(status=RunStatus.STOPPED, epoch=7, n_epochs_kl_warmup=20)
    assert "for 7 epochs, where it was stopped (25 had been planned)" in text
    assert "reached 0.30" in text
    workshop.registry.append("r1", MetricPoint("train_loss_step", 8, 5.0, 1.0, step=7 * PER_EPOCH + 3))
    text = workshop.exporter.methods_text("r1")
    assert "for 7 epochs and 3 minibatches of the next, where it was stopped (25 had been planned)" in text
    assert "reached 0.35" in text


@pytest.mark.parametrize(("resumed_only", "says"), [(False, True), (True, False)])
def test_a_rate_that_went_up_again_on_extending_is_said(
    told: Told, workshop: Workshop, resumed_only: bool, says: bool
) -> None:
    course: dict[str, Any] = {"lr_schedule": "cosine", "lr_end": 0.1, "lr": 0.01}
    told(epoch=6, **{**course, "max_epochs": 6})
    first_plan = 6 if resumed_only else 4
    for epoch in range(1, 7):
        steps = (first_plan if epoch <= 4 else 6) * PER_EPOCH
        rate = 0.01 * share_of_rate(epoch * PER_EPOCH - 1, steps, "cosine", 0.0, 0.1)
        workshop.registry.append("r1", MetricPoint("learning_rate", epoch, float(np.float32(rate)), epoch))
        workshop.registry.append("r1", MetricPoint("warm_up", epoch, float(epoch in (1, 5)), epoch))
    text = workshop.exporter.methods_text("r1")
    again = "extended after 4 epochs, its learning rate went up again, to where a run of 6 epochs has it"
    assert (again in text) is says


@pytest.mark.parametrize(
    ("settings", "first_plan", "says"),
    [
        ({"lr_schedule": "linear", "lr_end": 1.0}, 4, ""),  # falls to where it is
        ({"lr_schedule": "linear", "lr_warmup": 0.9}, 4, "went up again"),
        (
            {"lr_schedule": "constant", "lr_warmup": 0.9},
            4,
            "changed",
        ),  # still rising: planned anew, it is lower
    ],
)
def test_what_extending_does_to_the_rate_is_what_is_said(
    told: Told, workshop: Workshop, settings: dict[str, Any], first_plan: int, says: str
) -> None:
    spec = {"lr_warmup": 0.0, "lr_end": 0.0, **settings}
    told(epoch=8, max_epochs=8, lr=0.01, **settings)
    for epoch in range(1, 9):
        steps = (first_plan if epoch <= 4 else 8) * PER_EPOCH
        share = share_of_rate(
            epoch * PER_EPOCH - 1, steps, spec["lr_schedule"], spec["lr_warmup"], spec["lr_end"]
        )
        workshop.registry.append("r1", MetricPoint("learning_rate", epoch, 0.01 * share, epoch))
        workshop.registry.append("r1", MetricPoint("warm_up", epoch, float(epoch in (1, 5)), epoch))
    text = workshop.exporter.methods_text("r1")
    assert ("its learning rate" in text) is bool(says)
    assert f"its learning rate {says}" in text or not says


def test_a_schedule_that_was_cut_short_does_not_claim_its_end(told: Told) -> None:
    schedule = {"lr_schedule": "linear", "lr_end": 0.1}
    assert "(linear decay to 0.0001) and" in told(**schedule)


@pytest.mark.parametrize(
    "cut", [{"status": RunStatus.STOPPED}, {"early_stopping": True, "early_stopping_patience": 1}]
)
def test_a_schedule_that_was_cut_short_is_said_to_be_planned(told: Told, cut: dict[str, Any]) -> None:
    text = told(epoch=12, lr_schedule="linear", lr_end=0.1, **cut)
    assert "(linear decay to 0.0001, planned over 25 epochs)" in text
    assert "1 validations" not in text


def test_cells_set_aside_are_said(told: Told) -> None:
    text = told(n_train=620)
    assert "620 cells drawn at random (70 were held out for validation, 10 were left out, too few" in text


def test_precision_is_the_one_that_was_computed_with(told: Told) -> None:
    text = told(precision="bf16-mixed", notices=(notice("bfloat16_unsupported"),))
    assert "bfloat16" not in text


def test_what_preparing_changed_in_the_counts_is_said(told: Told) -> None:
    changed = DATASET.replace(
        notices=(
            notice("other_features_left_out", n=17),
            notice("values_rounded", largest=1e-6),
            notice("missing_filled", n=3, column="donor", level="unknown"),
        )
    )
    text = told(changed)
    assert "Only gene expression was used; 17 other features were not." in text
    assert "Values that were not whole numbers were rounded." in text
    assert "Missing values of “donor” became a level of their own." in text


@pytest.mark.parametrize(("epoch", "says"), [(1, "reached 0.00"), (2, "reached 0.003"), (3, "reached 0.01")])
def test_a_small_weight_is_not_rounded_to_none(told: Told, epoch: int, says: str) -> None:
    assert f"over 400 epochs and {says} in the last" in told(epoch=epoch)


def test_one_epoch_is_one(told: Told) -> None:
    assert "1 epoch." in told(epoch=1)


def test_without_the_data_set_it_says_less(told: Told) -> None:
    assert "highly variable" not in told(None)


def test_names_stay_on_one_line(told: Told) -> None:
    assert "“a References”" in told(batch_key="a\nReferences\u202e")
