"""Somebody's own SCVI, trained in a notebook: as ``model.train()`` would have, by the fused engine where it can."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scvi
from scipy import sparse
from scvi.model import SCVI

from backend.errors import BadInput, TrainingFailed
from backend.training import train_model


@pytest.fixture(autouse=True)
def scvi_tools_warnings() -> Iterator[None]:
    """Advice of scvi-tools and Lightning, which a notebook shows and these tests do not look at."""
    seed = scvi.settings.seed
    with warnings.catch_warnings():
        for module in (r"lightning\.", r"scvi\.", r"torch\."):
            warnings.filterwarnings("ignore", module=module)
        for message in (
            "Last batch will have",
            ".*cells moved from training set",
            "IProgress not found",
            "With .* optimiser",
        ):
            warnings.filterwarnings("ignore", message=message)
        yield
    if seed is None:
        scvi.settings.seed = None


def cells(n_obs: int = 210, as_type: Callable[[Any], Any] = sparse.csr_matrix) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    kinds = rng.gamma(0.5, 4.0, (3, 40))  # of cells, so that there is something to learn
    counts = rng.poisson(kinds[rng.integers(0, 3, n_obs)] + 0.1)
    adata = anndata.AnnData(as_type(counts.astype(np.float32)))
    adata.obs["batch"] = rng.choice(["a", "b"], n_obs)
    return adata


def untrained(adata: anndata.AnnData | None = None, layer: str | None = None, **options: Any) -> SCVI:
    adata = cells() if adata is None else adata
    scvi.settings.seed = 3
    SCVI.setup_anndata(adata, layer=layer, batch_key="batch")
    return SCVI(adata, n_hidden=16, n_latent=3, **options)


def assert_same_history(model: SCVI, reference: SCVI) -> None:
    assert set(model.history) - {"kl_weight"} == set(reference.history) - {"kl_weight"}
    for name, expected in reference.history.items():
        found = model.history[name]
        if name == "kl_weight":  # scvi-tools leaves out epochs in which no tenth step falls
            found = found.loc[expected.index]
        assert list(found.columns) == list(expected.columns)
        assert (found.index.name, list(found.index)) == (expected.index.name, list(expected.index)), name
        np.testing.assert_allclose(
            found.to_numpy(float), expected.to_numpy(float), rtol=1e-6, atol=0, err_msg=name
        )


@pytest.mark.parametrize(
    ("options", "call", "plan"),
    [
        ({}, {"max_epochs": 6}, {}),
        (
            {"dispersion": "gene-batch", "gene_likelihood": "nb"},
            {"max_epochs": 4, "train_size": 0.7},
            {"lr": 4e-3},
        ),
        (
            {"n_layers": 2},
            {"max_epochs": 4, "batch_size": 31, "check_val_every_n_epoch": 2},
            {"n_epochs_kl_warmup": 3},
        ),
    ],
    ids=["defaults", "nb", "tails"],
)
def test_the_history_is_that_of_model_train(options: dict, call: dict, plan: dict) -> None:
    reference = untrained(**options)
    reference.train(accelerator="cpu", plan_kwargs=plan, enable_progress_bar=False, **call)
    model = untrained(**options)
    assert train_model(model, accelerator="cpu", plan_kwargs=plan, progress_bar=False, **call) is None
    assert model.is_trained_
    assert_same_history(model, reference)
    np.testing.assert_array_equal(model.train_indices, reference.train_indices)
    np.testing.assert_array_equal(model.validation_indices, reference.validation_indices)
    np.testing.assert_allclose(
        model.get_latent_representation(), reference.get_latent_representation(), atol=1e-4
    )


def test_the_cells_to_train_on_can_be_given_as_to_model_train() -> None:
    order = np.random.default_rng(1).permutation(210)
    parts = [order[:150], order[150:190], order[190:]]
    reference = untrained()
    given: dict[str, Any] = {"datasplitter_kwargs": {"external_indexing": parts}}
    reference.train(3, accelerator="cpu", enable_progress_bar=False, check_val_every_n_epoch=1, **given)
    model = untrained()
    train_model(model, 3, accelerator="cpu", progress_bar=False, check_val_every_n_epoch=1, **given)
    assert_same_history(model, reference)
    np.testing.assert_array_equal(model.test_indices, parts[2])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"shuffle_set_split": False}, "external_indexing alone"),
        ({"external_indexing": []}, "external_indexing alone"),
        ({"external_indexing": None}, "external_indexing alone"),
        ({"external_indexing": [np.arange(100), np.arange(90, 120)]}, "each once and from 0 to 209"),
        ({"external_indexing": [np.arange(211)]}, "each once and from 0 to 209"),
        ({"external_indexing": [np.arange(-1, 100)]}, "each once and from 0 to 209"),
        ({"external_indexing": [np.arange(100) / 2]}, "whole numbers"),
        ({"external_indexing": [np.ones(210, bool)]}, "whole numbers"),
        ({"external_indexing": [[], np.arange(100)]}, "no cells to train on"),
        ({"external_indexing": [np.arange(129)]}, "would have one cell"),
    ],
)
def test_cells_that_cannot_be_trained_on_are_a_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        train_model(untrained(), 1, datasplitter_kwargs=given, progress_bar=False)


@pytest.mark.parametrize("as_type", [np.int64, np.float64, np.uint16], ids=lambda t: t.__name__)
def test_counts_of_any_type_and_in_a_layer_are_those_that_train(as_type: type) -> None:

    def in_a_layer() -> anndata.AnnData:
        adata = cells()
        adata.layers["counts"] = adata.X.astype(as_type)
        adata.layers["counts"].indices = adata.X.indices.astype(np.int64)
        adata.X = adata.X * 0.1
        return adata

    reference = untrained(in_a_layer(), layer="counts")
    reference.train(2, accelerator="cpu", enable_progress_bar=False)
    model = untrained(in_a_layer(), layer="counts")
    train_model(model, 2, accelerator="cpu", progress_bar=False)
    assert_same_history(model, reference)

    started = untrained(in_a_layer(), layer="counts")
    train_model(started, 1, course="recommended", lr=1e-9, progress_bar=False)
    bias = started.module.decoder.px_scale_decoder[0].bias.detach()
    totals = started.adata.layers["counts"][started.train_indices].sum(axis=0)
    assert np.corrcoef(np.exp(bias.numpy()), np.asarray(totals, float).ravel())[0, 1] > 0.999


def test_the_recommended_course_recalibrates_and_scvi_tools_opens_what_is_saved(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = untrained()
        train_model(model, course="recommended", max_epochs=8, progress_bar=False)
    assert len(model.history["elbo_validation"]) == 8
    assert model.history["kl_weight"]["kl_weight"].tolist()[:6] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert model.history["learning_rate"].iloc[-1, 0] < 0.002
    model.save(str(tmp_path / "model"))
    again = SCVI.load(str(tmp_path / "model"), adata=model.adata)
    assert again.is_trained_
    np.testing.assert_array_equal(again.get_latent_representation(), model.get_latent_representation())


def test_recalibration_is_an_option_of_any_course() -> None:
    models = []
    for wanted in (False, True):
        models.append(model := untrained())
        plan = {"lr": 0.03, "n_epochs_kl_warmup": 0, "check_val_every_n_epoch": 4}
        train_model(model, 4, batch_size=32, norm_recalibration=wanted, plan_kwargs=plan, progress_bar=False)
    lagging, recalibrated = models
    np.testing.assert_array_equal(lagging.history["train_loss"], recalibrated.history["train_loss"])
    assert (
        recalibrated.history["elbo_validation"].iloc[-1, 0] < lagging.history["elbo_validation"].iloc[-1, 0]
    )


def test_a_run_too_short_for_its_running_averages_is_told_so() -> None:
    with pytest.warns(UserWarning, match=r"With 2 optimiser steps in all.*norm_recalibration=True"):
        train_model(untrained(), 1, progress_bar=False)


def with_zeros(counts: Any) -> Any:
    matrix = sparse.csr_matrix(counts)
    matrix.data[::7] = 0
    return matrix


def with_genes_twice(counts: Any) -> Any:
    matrix = sparse.csr_matrix(counts)
    doubled = np.repeat(matrix.data, 2) * 0.5
    return sparse.csr_matrix((doubled, np.repeat(matrix.indices, 2), matrix.indptr * 2), matrix.shape)


@pytest.mark.parametrize(
    ("as_type", "options", "reason"),
    [
        (sparse.csr_matrix, {"dispersion": "gene-cell"}, "does not support dispersion='gene-cell'"),
        (sparse.csr_matrix, {"batch_representation": "embedding"}, "batch_representation='embedding'"),
        (np.asarray, {}, "needs the counts as a CSR matrix"),
        (sparse.csc_matrix, {}, "needs the counts as a CSR matrix"),
        (with_zeros, {}, "zeros stored among the counts"),
        (with_genes_twice, {}, "genes stored twice"),
    ],
    ids=["dispersion", "embedding", "dense", "csc", "zeros", "twice"],
)
@pytest.mark.parametrize("recommended", [False, True], ids=["plain", "recommended"])
def test_where_the_engine_cannot_scvi_tools_trains_and_it_is_said(
    as_type: Callable[[Any], Any], options: dict, reason: str, recommended: bool
) -> None:
    model = untrained(cells(as_type=as_type), **options)
    course = "recommended" if recommended else "scvi-tools"
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        train_model(model, 3, course=course, accelerator="cpu", progress_bar=False)
    [told] = [one for one in given if "stock engine" in str(one.message)]
    assert re.search(f"{re.escape(reason)}.*model.train\\(\\)", str(told.message))
    assert Path(told.filename) == Path(__file__)
    assert model.is_trained_
    assert len(model.history["train_loss"]) == 3
    if not recommended:
        reference = untrained(cells(as_type=as_type), **options)
        reference.train(3, accelerator="cpu", enable_progress_bar=False)
        assert_same_history(model, reference)


def test_weights_frozen_by_a_reference_stay_frozen(tmp_path: Path) -> None:
    reference = untrained()
    train_model(reference, 1, progress_bar=False)
    query = cells(90)
    query.obs["batch"] = "new"
    mapped = SCVI.load_query_data(query, reference)
    before = mapped.module.decoder.px_scale_decoder[0].weight.detach().clone()
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        train_model(mapped, 2, batch_size=32, accelerator="cpu", progress_bar=False)
    assert any("frozen weights" in str(one.message) for one in given)
    assert mapped.is_trained_
    assert (mapped.module.decoder.px_scale_decoder[0].weight == before).all()


def test_training_once_more_goes_on_from_the_weights_and_the_history() -> None:
    reference, model = untrained(), untrained()
    for _ in range(2):
        scvi.settings.seed = 3
        reference.module.train()  # which scvi-tools forgets the second time: it would train without dropout
        reference.train(2, accelerator="cpu", enable_progress_bar=False)
        scvi.settings.seed = 3
        train_model(model, 2, accelerator="cpu", progress_bar=False)
    assert len(model.history["train_loss"]) == 4
    assert_same_history(model, reference)


def test_early_stopping_ends_where_scvi_tools_would() -> None:
    wanted = {"early_stopping": True, "early_stopping_patience": 2, "batch_size": 32, "accelerator": "cpu"}
    plan = {"lr": 0.03}
    reference = untrained()
    reference.train(40, plan_kwargs=plan, enable_progress_bar=False, **wanted)
    model = untrained()
    train_model(model, 40, plan_kwargs=plan, progress_bar=False, **wanted)
    assert len(model.history["train_loss"]) == len(reference.history["train_loss"]) < 40


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"weight_decay": 0.1}, "'weight_decay' is not a setting"),
        ({"max_epochs": 0}, "epochs"),
        ({"batch_size": "many"}, "inibatch size"),
        ({"course": "slow"}, "The preset is one of recommended, quick, scvi-tools"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_a_sentence_before_anything_trains(call: dict, sentence: str) -> None:
    model = untrained()
    with pytest.raises(BadInput, match=sentence):
        train_model(model, progress_bar=False, **call)
    assert not model.is_trained_


def test_other_models_are_told_to_train_themselves() -> None:
    with pytest.raises(BadInput, match=r"Only scvi\.model\.SCVI .* of the dict itself"):
        train_model({}, 1)


def test_a_loss_that_is_no_number_is_said_and_leaves_the_model_untrained() -> None:
    model = untrained()
    with pytest.raises(TrainingFailed, match=r"infinite or NaN in epoch .* lower learning rate"):
        train_model(model, 40, lr=10.0, batch_size=32, progress_bar=False, train_size=1.0)
    assert not model.is_trained_


def test_an_interrupted_training_keeps_what_it_learned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from backend.network import Network

    model, steps, step = untrained(), iter(range(1000)), Network.step

    def stopped(*given: Any) -> Any:
        if next(steps) == 5:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(Network, "step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_model(model, 40, accelerator="cpu", progress_bar=False)
    assert model.is_trained_
    assert len(model.history["train_loss"]) == 2  # of two minibatches each
    model.save(str(tmp_path / "model"))


def test_the_bar_shows_epochs_and_losses(capsys: pytest.CaptureFixture[str]) -> None:
    train_model(untrained(), 3, accelerator="cpu", check_val_every_n_epoch=1)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "elbo_validation" in shown
