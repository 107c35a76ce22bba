"""The step computes scvi-tools' own losses, gradients and averages, for every option it claims to support."""

from __future__ import annotations

import copy
from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import scvi
import torch
from scvi.train import TrainingPlan

from backend.network import Adam, Network, make_ordinary, obstacle, products
from backend.training._minibatches import CsrCells

N_OBS, N_VARS = 24, 60

OPTIONS = {
    "zinb": {},
    "nb": {"gene_likelihood": "nb"},
    "poisson": {"gene_likelihood": "poisson"},
    "poisson, dispersion per batch": {"gene_likelihood": "poisson", "dispersion": "gene-batch"},
    "dispersion per batch": {"dispersion": "gene-batch"},
    "dispersion per label": {"dispersion": "gene-label", "gene_likelihood": "nb"},
    "covariates encoded": {"encode_covariates": True, "n_layers": 2},
    "covariates encoded, not deeply": {
        "encode_covariates": True,
        "deeply_inject_covariates": False,
        "n_layers": 3,
    },
    "two layers": {"n_layers": 2, "n_hidden": 48},
    "layer norm": {"use_batch_norm": "none", "use_layer_norm": "both"},
    "logistic normal": {"latent_distribution": "ln"},
    "both norms": {"use_layer_norm": "both", "n_layers": 2},
    "no norm": {"use_batch_norm": "none"},
    "no dropout": {"dropout_rate": 0.0},
    "much dropout": {"dropout_rate": 0.4, "n_layers": 3},
    "raw inputs": {"log_variational": False},
}


def cells(whole: bool = True) -> anndata.AnnData:
    rng = np.random.default_rng(1)
    counts = rng.negative_binomial(0.3, 0.1, (N_OBS, N_VARS)).astype(np.float32)
    counts[:, 0] = rng.integers(1, 2000, N_OBS)
    if not whole:
        counts *= 1.37
    obs = pd.DataFrame(
        {
            "batch": np.resize(["a", "b", "c"], N_OBS),
            "label": np.repeat(["x", "y"], N_OBS // 2),
            "donor": np.resize(["1", "2"], N_OBS),
            "age": rng.normal(size=N_OBS),
            "factor": rng.uniform(0.5, 2, N_OBS),
        },
        index=[f"cell{i}" for i in range(N_OBS)],
    )
    return anndata.AnnData(sp.csr_matrix(counts), obs=obs)


def model_of(adata: anndata.AnnData, *, size_factor: bool = False, **options):
    scvi.model.SCVI.setup_anndata(
        adata,
        batch_key="batch",
        labels_key="label",
        categorical_covariate_keys=["donor"],
        continuous_covariate_keys=["age"],
        size_factor_key="factor" if size_factor else None,
    )
    torch.manual_seed(0)
    model = scvi.model.SCVI(adata, **options)
    with torch.no_grad():  # away from the symmetric start
        for parameter in model.module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def stock_loss_and_gradients(model, tensors, training):
    torch.manual_seed(7)  # both draw dropout and latent noise in the same order
    model.module.train(training)
    _, _, output = TrainingPlan(model.module).forward(tensors, loss_kwargs={"kl_weight": 0.3})
    output.loss.backward()
    named = dict(model.module.named_parameters())
    gradients = {name: None if p.grad is None else p.grad.clone() for name, p in named.items()}
    model.module.zero_grad()
    return output, gradients


def assert_same_losses(found, wanted, tolerance):
    close = {"rtol": tolerance, "atol": tolerance}
    torch.testing.assert_close(found.loss, wanted.loss, **close)
    torch.testing.assert_close(found.reconstruction, wanted.reconstruction_loss_sum, **close)
    torch.testing.assert_close(found.kl, wanted.kl_local_sum, **close)


def compare(adata, implementation, *, dtype=torch.float32, size_factor=False, **options):
    """The step, and the losses of validation, against scvi-tools' own in the same type; returns the model."""
    losses, gradient = (1e-11, 1e-11) if dtype == torch.float64 else (1e-5, 2e-5)
    model = model_of(adata, size_factor=size_factor, **options)
    model.module.to(dtype)
    cells = CsrCells(model).minibatch(np.arange(N_OBS))
    (tensors,) = scvi.dataloaders.AnnDataLoader(model.adata_manager, batch_size=N_OBS)
    tensors = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    if dtype == torch.float64:  # what the loader sums and takes logarithms of in float32
        values = tensors["X"][tensors["X"] > 0]
        inputs = values.log1p() if model.module.log_variational else values
        cells = replace(
            cells,
            scale=cells.scale.double(),
            inputs=replace(cells.inputs, values=inputs),
            continuous=cells.continuous.double(),
        )
    running = {name: b.clone() for name, b in model.module.named_buffers()}
    stock, wanted = stock_loss_and_gradients(model, tensors, training=True)
    averages = {name: b.clone() for name, b in model.module.named_buffers()}
    validation, _ = stock_loss_and_gradients(model, tensors, training=False)
    for name, buffer in model.module.named_buffers():
        buffer.copy_(running[name])
    network = Network(model.module, implementation)
    with torch.no_grad():
        torch.manual_seed(7)
        assert_same_losses(network.step(cells, 0.3), stock, losses)
        for name, buffer in model.module.named_buffers():
            torch.testing.assert_close(buffer, averages[name], rtol=losses, atol=losses, msg=name)
        torch.manual_seed(7)
        assert_same_losses(network.evaluate(cells, 0.3), validation, losses)

    names = {id(parameter): name for name, parameter in model.module.named_parameters()}
    found = {names[id(p)]: g for p, g in network.arena.each(network.arena.gradients)}
    assert set(found) == {name for name, g in wanted.items() if g is not None}, (
        "what moves in scvi-tools moves here"
    )
    largest = max(g.abs().max() for g in wanted.values() if g is not None)
    for name, mine in found.items():
        # A bias before a BatchNorm has no gradient but rounding, so nothing is measured finer than 1e-2 of the largest.
        scale = torch.maximum(wanted[name].abs().max(), 1e-2 * largest)
        torch.testing.assert_close(mine / scale, wanted[name] / scale, rtol=0, atol=gradient, msg=name)
    model.deregister_manager(adata)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_gradients_by_hand_are_those_of_autograd_in_float64(options, monkeypatch):
    monkeypatch.setattr(
        torch.Tensor, "float", torch.Tensor.double
    )  # scvi-tools says it of one-hot dispersions
    compare(cells(), "reference", dtype=torch.float64, **options)


@pytest.mark.parametrize("likelihood", ["zinb", "nb", "poisson"])
def test_gradients_with_size_factors_are_those_of_autograd_in_float64(likelihood):
    compare(cells(), "reference", dtype=torch.float64, size_factor=True, gene_likelihood=likelihood)


@pytest.mark.parametrize("implementation", ["numba", "torch", "reference"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_loss_and_gradients_are_those_of_scvi_tools(options, implementation):
    compare(cells(), implementation, **options)


def test_a_first_layer_large_enough_for_several_threads_computes_the_same(monkeypatch):
    monkeypatch.setattr("backend.network._network._WIDE", 0)
    compare(cells(), "numba", encode_covariates=True)


@pytest.mark.parametrize("wide", [0, 10**9])
def test_the_update_beside_the_step_is_that_after_it(monkeypatch, wide):
    monkeypatch.setattr("backend.network._network._WIDE", wide)
    after = []
    for beside in (False, True):
        model = model_of(cells(), dispersion="gene-batch")
        network = Network(model.module)
        adam, minibatch = Adam(network.arena, 1e-6, 0.01), CsrCells(model).minibatch(np.arange(N_OBS))
        torch.manual_seed(3)
        with torch.no_grad():
            for _ in range(3):
                if beside:
                    adam.begin(0.01)
                    network.step(minibatch, 0.5, adam.move)
                else:
                    network.step(minibatch, 0.5)
                    adam.step(0.01)
        after.append(network.arena.values.clone())
    torch.testing.assert_close(*after, rtol=1e-6, atol=1e-7)


@pytest.mark.filterwarnings("ignore:adata.X does not contain unnormalized count data:UserWarning")
@pytest.mark.filterwarnings("ignore:The value argument must be within the support:UserWarning")
@pytest.mark.parametrize("implementation", ["numba", "torch"])
def test_counts_that_are_not_whole_numbers(implementation):
    compare(cells(whole=False), implementation)


@pytest.mark.parametrize("implementation", ["numba", "torch"])
@pytest.mark.parametrize("likelihood", ["zinb", "nb", "poisson"])
def test_size_factors(implementation, likelihood):
    compare(cells(), implementation, size_factor=True, gene_likelihood=likelihood)


def test_a_step_of_the_optimizer_is_that_of_torch_and_each_goes_on_from_the_other():
    module = model_of(cells(), n_layers=2, dispersion="gene-batch").module
    options = {"weight_decay": 1e-2, "eps": 0.01}
    start = {name: value.clone() for name, value in module.state_dict().items()}
    arena = Network(module).arena
    moved = [parameter for parameter, _ in arena.each(arena.values)]
    parameters = list(module.parameters())
    gradients = [[torch.randn_like(parameter) for parameter in moved] for _ in range(4)]

    def stock(steps, adam):
        for chosen in steps:
            for parameter, gradient in zip(moved, gradients[chosen], strict=True):
                parameter.grad = gradient.clone()
            adam.step()

    def fused(steps, adam):
        for chosen in steps:
            for (_, place), gradient in zip(arena.each(arena.gradients), gradients[chosen], strict=True):
                place.copy_(gradient)
            adam.step(0.05)

    def state_of(adam):
        return copy.deepcopy(adam.state_dict())

    wanted = torch.optim.Adam(parameters, lr=0.05, **options)
    with torch.no_grad():
        stock(range(4), wanted)
        end = {name: value.clone() for name, value in module.state_dict().items()}

        module.load_state_dict(start)
        first, second = Adam(arena, **options), Adam(arena, **options)
        fused((0,), first)
        between = torch.optim.Adam(parameters, lr=0.05, **options)
        between.load_state_dict(copy.deepcopy(first.state_dict(parameters, 0.05)))
        stock((1, 2), between)
        second.load_state_dict(parameters, state_of(between))
        fused((3,), second)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, end[name], msg=name)
    mine, theirs = second.state_dict(parameters, 0.05), state_of(wanted)
    assert mine["state"].keys() == theirs["state"].keys()
    assert all(kept["step"] == 4 for kept in mine["state"].values())
    for number, kept in mine["state"].items():
        for name in ("exp_avg", "exp_avg_sq"):
            torch.testing.assert_close(kept[name], theirs["state"][number][name])

    make_ordinary(module)
    assert all(p.is_contiguous() and p.untyped_storage().nbytes() == p.nbytes for p in parameters)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dispersion": "gene-cell"}, "dispersion='gene-cell'"),
        ({"use_observed_lib_size": False}, "use_observed_lib_size=False"),
        ({"var_activation": torch.nn.functional.softplus}, "var_activation"),
        ({"extra_encoder_kwargs": {"activation_fn": torch.nn.GELU}}, "a layer of type GELU"),
        ({}, None),
    ],
)
def test_what_is_not_written_out_is_said(options, said):
    assert obstacle(model_of(cells(), **options).module) == said


def test_products_by_another_library_are_exact_and_of_the_engine_alone():
    torch.manual_seed(0)
    a, b = torch.randn(300, 128), torch.randn(128, 700)
    before = torch.get_float32_matmul_precision()
    with products():
        found = a @ b
    assert torch.get_float32_matmul_precision() == before
    true = a.double() @ b.double()
    assert (found - true).abs().max() / true.abs().max() < 2e-6
