"""Does a device compute the right numbers? A small fixed problem, against float64 on the CPU.

    findings = check_exactness("mps", on_step=print)

An encoder layer and the loss, by both engines and for every likelihood, with a cell without counts, large counts,
and two sizes of minibatch one after the other: Apple's MPS was reported to give wrong gradients after such a change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..kernels import (
    CsrCounts,
    GeneOrder,
    Head,
    KernelOptions,
    Likelihood,
    by_gene,
    compile_kernels,
    decoder_nll,
    sparse_linear,
)
from ..types import Finding
from ._engines import IMPLEMENTATIONS

logger = logging.getLogger("backend.training")

LIKELIHOODS = ("zinb", "nb", "poisson")
LOSS, GRADIENT = 1e-4, 1e-4  # what float32 gives is a hundred times better
SIZES, GENES, HIDDEN = (48, 31), 200, 32

Tensors = dict[str, torch.Tensor]
Result = tuple[torch.Tensor, list[torch.Tensor]]  # loss of each cell, gradients of their mean


def check_exactness(accelerator: str, on_step: Callable[[str], None]) -> tuple[Finding, ...]:
    """Compare; ``on_step`` hears of each comparison before it is made, and may raise to end them."""
    if IMPLEMENTATIONS[accelerator] == "numba":
        on_step("compiling the kernels")
        compile_kernels()
    findings = []
    for engine in ("fused", "stock"):
        for name in LIKELIHOODS:
            on_step(f"comparing {name} of the {engine} engine")
            findings.append(_compare(engine, Likelihood(name), accelerator))
    return tuple(findings)


def _compare(engine: str, likelihood: Likelihood, accelerator: str) -> Finding:
    compute = {"fused": _fused, "stock": _stock}[engine]
    loss_error = gradient_error = 0.0
    try:
        for seed, cells in enumerate(SIZES):
            problem = _problem(cells, likelihood, seed)
            true_loss, true_gradients = _fused(problem, likelihood, "reference", "cpu", torch.float64)
            loss, gradients = compute(
                problem, likelihood, IMPLEMENTATIONS[accelerator], accelerator, torch.float32
            )
            loss_error = max(loss_error, _worst(loss / true_loss, torch.ones_like(true_loss)))
            for found, truth in zip(gradients, true_gradients, strict=True):
                gradient_error = max(gradient_error, _worst(found, truth))
    except Exception as error:
        logger.warning("%s of the %s engine on %s", likelihood.name, engine, accelerator, exc_info=True)
        first_line = str(error).strip().partition("\n")[0][:200]
        return Finding(engine, likelihood.name, False, problem=f"{type(error).__name__}: {first_line}")
    passed = loss_error <= LOSS and gradient_error <= GRADIENT
    return Finding(engine, likelihood.name, passed, loss_error, gradient_error)


def _worst(found: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest difference, relative to the largest true value; infinite where something is not a number."""
    error = float((found.cpu().double() - truth).abs().max() / truth.abs().max().clamp(min=1e-9))
    return error if error == error else float("inf")


def _problem(cells: int, likelihood: Likelihood, seed: int) -> Tensors:
    """Cells and weights, the same on every computer, in float64 on the CPU."""
    rng = np.random.default_rng(seed)
    counts = rng.choice([1.0, 2, 3, 8, 9, 40, 1000], (cells, GENES)) * (rng.random((cells, GENES)) < 0.15)
    counts[1] = 0  # a cell without counts
    width = GENES * likelihood.heads
    draw = {
        "encoder": (HIDDEN, GENES),
        "weight": (width, HIDDEN),
        "bias": (width,),
        "log_theta": (1, GENES),
    }
    tensors = {name: torch.tensor(rng.normal(size=shape) * 0.2) for name, shape in draw.items()}
    tensors["counts"] = torch.tensor(counts)
    tensors["scale"] = tensors["counts"].sum(1).clamp(min=1)
    return tensors


def _leaves(problem: Tensors, device: str, dtype: torch.dtype) -> dict[str, torch.nn.Parameter]:
    names = ("encoder", "weight", "bias", "log_theta")
    return {name: torch.nn.Parameter(problem[name].to(dtype).to(device)) for name in names}


def _result(loss: torch.Tensor, leaves: dict[str, torch.nn.Parameter], inputs: Any) -> Result:
    gradients = torch.autograd.grad(loss.mean(), inputs, allow_unused=True)
    return loss.detach().cpu().double(), [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(inputs, gradients, strict=True)
    ]


def _fused(
    problem: Tensors, likelihood: Likelihood, implementation: str, device: str, dtype: torch.dtype
) -> Result:
    """The two kernels, one after the other, as the fused engine calls them."""
    leaves = _leaves(problem, device, dtype)
    weight, bias = leaves["weight"], leaves["bias"]
    encoder = torch.nn.Parameter(leaves["encoder"].data.t().contiguous().t())  # gene-major, as in training
    parts = (*weight.data.chunk(likelihood.heads), *bias.data.chunk(likelihood.heads))
    parameters = tuple(torch.nn.Parameter(part) for part in parts)
    counts, inputs = _sparse(problem["counts"], device)
    options = KernelOptions(implementation, likelihood)
    hidden = torch.relu(sparse_linear(encoder, inputs, None, options))
    cells = counts.n_obs
    loss = decoder_nll(
        hidden,
        leaves["log_theta"],
        Head(weight.data, bias.data, parameters),
        torch.zeros(cells, dtype=torch.long, device=device),
        problem["scale"].to(dtype).to(device),
        counts,
        options,
    )
    heads = likelihood.heads
    loss, gradients = _result(loss, leaves, (encoder, leaves["log_theta"], *parameters))
    first, log_theta, *rest = gradients
    return loss, [first, log_theta, torch.cat(rest[:heads]), torch.cat(rest[heads:])]


def _stock(problem: Tensors, likelihood: Likelihood, _: str, device: str, dtype: torch.dtype) -> Result:
    """The same with scvi-tools' own distributions on dense counts."""
    from scvi.distributions import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial

    leaves = _leaves(problem, device, dtype)
    x, scale = (problem[name].to(dtype).to(device) for name in ("counts", "scale"))
    hidden = torch.relu(torch.log1p(x) @ leaves["encoder"].t())
    logits = hidden @ leaves["weight"].t() + leaves["bias"]
    mu = scale[:, None] * logits[:, :GENES].softmax(-1)
    theta = leaves["log_theta"].exp()
    distribution: Any
    if likelihood.name == "zinb":
        distribution = ZeroInflatedNegativeBinomial(mu=mu, theta=theta, zi_logits=logits[:, GENES:])
    elif likelihood.name == "nb":
        distribution = NegativeBinomial(mu=mu, theta=theta)
    else:
        distribution = Poisson(rate=mu)
    loss = -distribution.log_prob(x).sum(-1)
    return _result(loss, leaves, tuple(leaves[n] for n in ("encoder", "log_theta", "weight", "bias")))


def _sparse(dense: torch.Tensor, device: str) -> tuple[CsrCounts, GeneOrder]:
    rows, genes = dense.nonzero(as_tuple=True)
    cells = dense.shape[0]
    indptr = torch.cat((torch.zeros(1, dtype=torch.long), torch.bincount(rows, minlength=cells).cumsum(0)))
    indices, values = genes.int(), dense[rows, genes].float()
    gene_indptr = np.zeros(GENES + 1, np.int64)
    gene_cells, gene_values = np.empty(len(values), np.int32), np.empty(len(values), np.float32)
    by_gene(
        indptr.numpy(),
        indices.numpy(),
        torch.log1p(values).numpy(),
        gene_indptr,
        gene_cells,
        gene_values,
    )
    counts = CsrCounts(indptr.to(device), indices.to(device), values.to(device), GENES)
    a, b, c = (torch.from_numpy(array).to(device) for array in (gene_indptr, gene_cells, gene_values))
    return counts, GeneOrder(a, b, c, cells)
