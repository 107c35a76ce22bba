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

from ..kernels import CsrCounts, Likelihood, compile_kernels
from ..kernels import implementation as kernels_of
from ..types import Finding
from ._engines import KERNELS

# Distributions and the inputs of either implementation share no type: ``Any``.

logger = logging.getLogger("backend.training")

LIKELIHOODS = ("zinb", "nb", "poisson")
LOSS, GRADIENT = 1e-4, 1e-4  # what float32 gives is a hundred times better
SIZES, GENES, HIDDEN = (48, 31), 200, 32

Tensors = dict[str, torch.Tensor]
Result = tuple[torch.Tensor, list[torch.Tensor]]  # loss of each cell, gradients of their mean


def check_exactness(accelerator: str, on_step: Callable[[str], None]) -> tuple[Finding, ...]:
    """Compare; ``on_step`` hears of each comparison before it is made, and may raise to end them."""
    if KERNELS[accelerator] == "numba":
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
            loss, gradients = compute(problem, likelihood, KERNELS[accelerator], accelerator, torch.float32)
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


def _fused(
    problem: Tensors, likelihood: Likelihood, implementation: str, device: str, dtype: torch.dtype
) -> Result:
    """The kernels, one after the other, as a step calls them."""
    kernels = kernels_of(implementation)
    there = {name: tensor.to(dtype).to(device) for name, tensor in problem.items()}
    counts, inputs = _sparse(problem["counts"], device)
    cells, weight = counts.n_obs, there["weight"]
    theta_row = torch.zeros(cells, dtype=torch.long, device=device)
    hidden = torch.relu(kernels.multiply(inputs, there["encoder"].t().contiguous()))
    logits = hidden @ weight.t()
    loss, d_bias, d_log_theta = kernels.nll_and_gradients(
        logits, there["bias"], there["log_theta"], theta_row, there["scale"], counts, likelihood
    )
    d_hidden = (logits @ weight) * (hidden > 0)
    d_encoder = kernels.multiply_transposed(
        inputs, d_hidden, torch.empty_like(there["encoder"].t().contiguous())
    )
    gradients = [d_encoder.t(), d_log_theta, logits.t() @ hidden, d_bias]
    return loss.cpu().double(), [gradient / cells for gradient in gradients]


def _stock(problem: Tensors, likelihood: Likelihood, _: str, device: str, dtype: torch.dtype) -> Result:
    """The same with scvi-tools' own distributions on dense counts."""
    from scvi.distributions import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial

    names = ("encoder", "log_theta", "weight", "bias")
    leaves = {name: problem[name].to(dtype).to(device).requires_grad_() for name in names}
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
    gradients = torch.autograd.grad(loss.mean(), tuple(leaves.values()), allow_unused=True)
    return loss.detach().cpu().double(), [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves.values(), gradients, strict=True)
    ]


def _sparse(dense: torch.Tensor, device: str) -> tuple[CsrCounts, CsrCounts]:
    """Counts, and their logarithms for the encoder."""
    rows, genes = dense.nonzero(as_tuple=True)
    cells = dense.shape[0]
    indptr = torch.cat((torch.zeros(1, dtype=torch.long), torch.bincount(rows, minlength=cells).cumsum(0)))
    values = dense[rows, genes].float()
    a, b, c, d = (t.to(device) for t in (indptr, genes.int(), values, torch.log1p(values)))
    return CsrCounts(a, b, c, GENES), CsrCounts(a, b, d, GENES)
