"""The fused plan computes scvi-tools' own loss and gradients, for every option it claims to support."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import scvi
import torch
from scvi.train import TrainingPlan

from backend.training._fused_plan import FusedTrainingPlan, _Contiguous
from backend.training._minibatches import CsrLoader

N_OBS, N_VARS = 24, 60

OPTIONS = {
    "zinb": {},
    "nb": {"gene_likelihood": "nb"},
    "poisson": {"gene_likelihood": "poisson"},
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


def loss_and_gradients(model, plan, minibatch):
    torch.manual_seed(7)  # both draw dropout and latent noise in the same order
    model.module.train()
    model.module.zero_grad()
    _, _, output = plan.forward(minibatch, loss_kwargs={"kl_weight": 0.3})
    output.loss.backward()
    gradients = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.module.named_parameters()
    }
    return output, gradients


def compare(adata, implementation, *, size_factor=False, **options):
    model = model_of(adata, size_factor=size_factor, **options)
    loader = CsrLoader(
        model.adata_manager, np.arange(N_OBS), N_OBS, shuffle=False, log_inputs=model.module.log_variational
    )
    (minibatch,) = loader
    (tensors,) = scvi.dataloaders.AnnDataLoader(model.adata_manager, batch_size=N_OBS)
    stock, wanted = loss_and_gradients(model, TrainingPlan(model.module), tensors)
    plan = FusedTrainingPlan(model.module, implementation=implementation)
    plan.on_fit_start()
    fused, found = loss_and_gradients(model, plan, minibatch)

    torch.testing.assert_close(fused.loss, stock.loss, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        fused.reconstruction_loss_sum, stock.reconstruction_loss_sum, rtol=1e-5, atol=0
    )
    torch.testing.assert_close(fused.kl_local_sum, stock.kl_local_sum, rtol=1e-5, atol=1e-5)
    largest = max(gradient.abs().max() for gradient in wanted.values())
    for name, gradient in wanted.items():
        # A bias before a BatchNorm has no gradient but rounding, so nothing is measured finer than 1e-2 of the largest.
        scale = torch.maximum(gradient.abs().max(), 1e-2 * largest)
        torch.testing.assert_close(found[name] / scale, gradient / scale, rtol=0, atol=2e-5, msg=name)
    model.deregister_manager(adata)


@pytest.mark.parametrize("implementation", ["numba", "torch", "reference"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_loss_and_gradients_are_those_of_scvi_tools(options, implementation):
    compare(cells(), implementation, **options)


@pytest.mark.filterwarnings("ignore:adata.X does not contain unnormalized count data:UserWarning")
@pytest.mark.filterwarnings("ignore:The value argument must be within the support:UserWarning")
@pytest.mark.parametrize("implementation", ["numba", "torch"])
def test_counts_that_are_not_whole_numbers(implementation):
    compare(cells(whole=False), implementation)


@pytest.mark.parametrize("implementation", ["numba", "torch"])
@pytest.mark.parametrize("likelihood", ["zinb", "nb", "poisson"])
def test_size_factors(implementation, likelihood):
    compare(cells(), implementation, size_factor=True, gene_likelihood=likelihood)


def test_the_optimizer_moves_transposed_weights_as_it_moves_others():
    class Quick(_Contiguous, torch.optim.Adam):
        def _init_group(self, group, *lists):
            result = super()._init_group(group, *lists)
            seen.extend(tensor.is_contiguous() for tensors in lists[:4] for tensor in tensors)
            return result

    seen: list[bool] = []
    torch.manual_seed(0)
    start, gradients = torch.randn(30, 8), torch.randn(3, 30, 8)
    plain, quick = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.t().contiguous().t())
    options = {"lr": 0.1, "eps": 0.01, "weight_decay": 1e-2}
    optimizers = torch.optim.Adam([plain], **options), Quick([quick], fused=True, **options)
    for gradient in gradients:
        plain.grad, quick.grad = gradient.clone(), gradient.t().contiguous().t()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(quick, plain)
    assert quick.stride() == (1, 30)
    assert seen
    assert all(seen), "Adam is slow on weights that do not lie in a row"
