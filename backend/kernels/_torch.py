"""The implementation for accelerators: the kernel's mathematics in torch operations, on any device.

As on the CPU every count is first taken for a zero, and the non-zeros are then put right, so that gamma functions
are evaluated on non-zeros only. No float64, no sparse tensors, no lgamma of expanded tensors: Apple's MPS has
trouble with each. The minibatch becomes dense on the device, from plain index tensors.
"""

from __future__ import annotations

from functools import partial
from math import log, pi

import torch
from torch.nn.functional import one_hot, softplus

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


def _stirling(z: torch.Tensor) -> torch.Tensor:
    """Remainder of log Gamma(z) = (z - 1/2) log z - z + log(2 pi) / 2 + remainder, for z >= 8."""
    f = 1 / (z * z)
    return (1 / 12 - f * (1 / 360 - f * (1 / 1260 - f / 1680))) / z


def _digamma_tail(z: torch.Tensor) -> torch.Tensor:
    """digamma(z) - log(z), for z >= 8."""
    f = 1 / (z * z)
    return -0.5 / z - f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f / 240)))


def gamma_differences(x: torch.Tensor, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """lgamma(x + theta) - lgamma(theta) - lgamma(x + 1), and digamma(x + theta) - digamma(theta).

    The arguments are lifted by 8 with the recurrence, and Stirling's series subtracted in the form that does not
    cancel: one where theta is the larger, one where the count is. Float32 suffices.
    """
    lift, harmonic = torch.zeros_like(x), torch.zeros_like(x)
    for j in range(8):
        t = theta + j
        lift += torch.log1p(x / t)
        harmonic += x / (t * (x + t))
    low, high = theta + 8, theta + 8 + x
    ratio = torch.log1p(x / low)
    common = _stirling(high) - _stirling(low) - lift
    small = x * high.log() + (low - 0.5) * ratio - x - torch.lgamma(x + 1)
    rest = theta + 7
    large = (x + 0.5) * torch.log1p(rest / (x + 1)) + rest * high.log() - _stirling(x + 1)
    large -= (low - 0.5) * low.log() - 1 + 0.5 * log(2 * pi)
    value = common + torch.where((x > theta) & (x > 8), large, small)
    return value, ratio + _digamma_tail(high) - _digamma_tail(low) + harmonic


def nll_and_gradients(
    logits: torch.Tensor,
    bias: torch.Tensor,
    log_theta: torch.Tensor,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    likelihood: Likelihood,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As ``_reference.nll_and_gradients``, on the device of its arguments."""
    n_vars = counts.n_vars
    logits += bias
    s, q = logits[:, :n_vars], logits[:, n_vars:]
    mu = (s.softmax(-1) if likelihood.mean == "softmax" else softplus(s)) * scale[:, None]
    cells, genes, x = counts.rows(), counts.indices.long(), counts.values
    m = mu[cells, genes]
    d_log_theta = torch.zeros_like(log_theta)
    if likelihood.name == "poisson":
        loss = mu.sum(-1).index_add(0, cells, torch.lgamma(x + 1) - torch.xlogy(x, m))
        slope = torch.ones_like(mu).index_put((cells, genes), 1 - x / m)
    else:
        theta_KG = log_theta.exp()
        theta = theta_KG[theta_row]
        over_theta = 1 / (theta + EPS)
        ratio = mu * over_theta
        r = -torch.log1p(ratio)
        inverse = over_theta / (1 + ratio)
        d_r = r + theta * ratio * inverse
        t, i = theta[cells, genes], inverse[cells, genes]
        value, change = gamma_differences(x, t)
        positive = value - x * torch.log1p(t / (m + EPS))
        d_mean = t * i * (1 - x / (m + EPS))
        d_t = x * i - d_r[cells, genes] - change
        if likelihood.name == "nb":
            loss = (-theta * r).sum(-1).index_add(0, cells, -positive)
            slope, d_theta = theta * inverse, -d_r
        else:
            zero = theta * r - q
            share = torch.sigmoid(zero)
            parts = softplus(-q) - softplus(zero)
            qs = q[cells, genes]
            right = softplus(qs) - t * r[cells, genes] - positive - parts[cells, genes]
            loss = parts.sum(-1).index_add(0, cells, right)
            slope, d_theta = share * theta * inverse, -share * d_r
            d_q = share - torch.sigmoid(-q)
            d_q[cells, genes] = torch.sigmoid(qs)
            q.copy_(d_q)
        slope[cells, genes] = d_mean
        d_theta[cells, genes] = d_t
        members = one_hot(theta_row, log_theta.shape[0]).to(d_theta.dtype)
        d_log_theta = (members.T @ d_theta) * theta_KG
    if likelihood.mean == "softmax":
        mean = (slope * mu).sum(-1, keepdim=True) / scale.clamp(min=EPS)[:, None]
        s.copy_(mu * (slope - mean))
    else:
        s.copy_(slope * scale[:, None] * torch.sigmoid(s))
    return loss, logits.sum(0), d_log_theta


def multiply(inputs: CsrCounts, weight_GH: torch.Tensor) -> torch.Tensor:
    """As ``_reference.multiply``."""
    return inputs.dense() @ weight_GH


def multiply_transposed(inputs: CsrCounts, d_out_CH: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """As ``_reference.multiply_transposed``."""
    return torch.mm(inputs.dense().T, d_out_CH, out=out)


Reconstruction = partial(Whole, nll_and_gradients)
