"""The plain implementation: torch operations on dense tensors, differentiated by autograd. The truth in tests.

The formulas are scvi-tools 1.4's own (``scvi.distributions``: ``log_zinb_positive``, ``log_nb_positive``,
``Poisson``), with its ``eps`` of 1e-8. Works in any dtype and on any device; float64 on the CPU is the yardstick.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.nn.functional import softplus

from ._plain import Whole, normalise, normalise_back, sample, sample_back
from ._types import CsrCounts, Likelihood

__all__ = [
    "Reconstruction",
    "multiply",
    "multiply_transposed",
    "nll_and_gradients",
    "normalise",
    "normalise_back",
    "sample",
    "sample_back",
]

EPS = 1e-8


def nll(
    logits: torch.Tensor,
    bias: torch.Tensor,
    log_theta: torch.Tensor,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    likelihood: Likelihood,
) -> torch.Tensor:
    """Negative log-likelihood of each cell, (C,), differentiable. Arguments as in ``nll_and_gradients``."""
    n_vars = counts.n_vars
    shifted = logits + bias
    s, x = shifted[:, :n_vars], counts.dense(logits.dtype)
    mu = scale[:, None] * (s.softmax(-1) if likelihood.mean == "softmax" else softplus(s))
    if likelihood.name == "poisson":
        # Not xlogy: its derivative is 0 / 0 in a cell without counts, whose mean is zero.
        log_mu = torch.where(x > 0, mu, 1.0).log()
        return (mu - x * log_mu + torch.lgamma(x + 1)).sum(-1)
    theta = log_theta.exp()[theta_row]
    log_theta_mu = torch.log(theta + mu + EPS)
    zero = theta * (torch.log(theta + EPS) - log_theta_mu)
    positive = (
        x * (torch.log(mu + EPS) - log_theta_mu)
        + torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
    )
    if likelihood.name == "nb":
        return -(zero + torch.where(x > 0, positive, 0.0)).sum(-1)
    q = shifted[:, n_vars:]
    log_likelihood = torch.where(x < EPS, softplus(zero - q), zero - q + positive) - softplus(-q)
    return -log_likelihood.sum(-1)


def nll_and_gradients(
    logits: torch.Tensor,
    bias: torch.Tensor,
    log_theta: torch.Tensor,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    likelihood: Likelihood,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Loss of each cell, and the gradients of their sum; ``logits`` is overwritten with its own gradient.

    Parameters
    ----------
    logits
        Decoder outputs before the bias, (C, heads * G): scale logits, then (zinb) dropout logits.
    bias
        (heads * G,).
    log_theta
        Log inverse dispersion, (K, G); K is 1, or the number of batches or labels.
    theta_row
        Which of the K rows each cell uses, int64 (C,).
    scale
        L: library size or size factor of each cell, (C,).
    counts, likelihood
        The cells' counts; which likelihood and how the mean is made.

    Returns
    -------
    loss (C,), gradient for ``bias`` (heads * G,), gradient for ``log_theta`` (K, G).
    """
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (logits, bias, log_theta)]
    with torch.enable_grad():
        loss = nll(leaves[0], leaves[1], leaves[2], theta_row, scale, counts, likelihood)
        gradients = torch.autograd.grad(loss.sum(), leaves, allow_unused=True)
    d_logits, d_bias, d_log_theta = (
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, gradients, strict=True)
    )
    logits.copy_(d_logits)
    return loss.detach(), d_bias, d_log_theta


def multiply(inputs: CsrCounts, weight_GH: torch.Tensor) -> torch.Tensor:
    """Sparse inputs (C, G) times ``weight_GH``: (C, H)."""
    return inputs.dense(weight_GH.dtype) @ weight_GH


def multiply_transposed(inputs: CsrCounts, d_out_CH: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Transposed sparse inputs (G, C) times ``d_out_CH``: the gradient of the weights, (G, H), into ``out``."""
    return torch.mm(inputs.dense(d_out_CH.dtype).T, d_out_CH, out=out)


Reconstruction = partial(Whole, nll_and_gradients)
