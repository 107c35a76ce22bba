"""The implementation for NVIDIA's cards: likelihood and gradients in one Triton kernel, a program a cell, from CSR.

A program passes over its cell's genes three times (the softmax's sum; the loss; the gradients) and over its non-zeros
twice: every count is first taken for a zero, and what the non-zeros change is added. No gene-wide temporary but the
gradient for theta, whose sum over cells is left to torch, so that a run gives the same numbers twice.
Triton's interpreter runs the same kernel on a CPU, for tests.
"""

# mypy: ignore-errors
# triton gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

from functools import partial

import torch
import triton
import triton.language as tl
from torch.nn.functional import one_hot

from ._plain import Whole, normalise, normalise_back, sample, sample_back
from ._torch import multiply, multiply_transposed
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

EPS = tl.constexpr(1e-8)
HALF_LOG_2PI = tl.constexpr(0.9189385332046727)
GENES = 1024  # of a cell, at once
COUNTS = 256  # non-zeros of a cell, at once


# Functions that keep their digits near zero and do not overflow; Triton's own exp and log are all it has everywhere.


@triton.jit
def _log1p(x):
    u = 1 + x
    return tl.where(u == 1, x, tl.log(u) * (x / tl.where(u == 1, 1, u - 1)))


@triton.jit
def _softplus(x):
    return tl.maximum(x, 0) + _log1p(tl.exp(-tl.abs(x)))


@triton.jit
def _sigmoid(x):
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1 / (1 + e), e / (1 + e))


@triton.jit
def _stirling(z):
    f = 1 / (z * z)
    return (1 / 12 - f * (1 / 360 - f * (1 / 1260 - f / 1680))) / z


@triton.jit
def _digamma_tail(z):
    f = 1 / (z * z)
    return -0.5 / z - f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f / 240)))


@triton.jit
def _gamma_differences(x, theta, log_factorial):
    """As ``_torch.gamma_differences``, with log Gamma(x + 1) given."""
    lift = tl.zeros_like(x)
    harmonic = tl.zeros_like(x)
    for j in tl.static_range(8):
        t = theta + j
        lift += _log1p(x / t)
        harmonic += x / (t * (x + t))
    low = theta + 8
    high = low + x
    ratio = _log1p(x / low)
    common = _stirling(high) - _stirling(low) - lift
    small = x * tl.log(high) + (low - 0.5) * ratio - x - log_factorial
    rest = theta + 7
    large = (x + 0.5) * _log1p(rest / (x + 1)) + rest * tl.log(high) - _stirling(x + 1)
    large -= (low - 0.5) * tl.log(low) - 1 + HALF_LOG_2PI
    value = common + tl.where((x > theta) & (x > 8), large, small)
    return value, ratio + _digamma_tail(high) - _digamma_tail(low) + harmonic


@triton.jit
def _mean(s, scale, log_sum, SOFTMAX: tl.constexpr):
    return scale * (tl.exp(s - log_sum) if SOFTMAX else _softplus(s))


@triton.jit
def _back_to_logit(slope, mean, mu, s, scale, SOFTMAX: tl.constexpr):
    """From the derivative for mu; ``mean`` is its mean over the cell's counts, which the softmax takes off."""
    return mu * (slope - mean) if SOFTMAX else slope * scale * _sigmoid(s)


@triton.jit
def _decoded(
    row, bias, theta_of, g, there, n_vars, scale, log_sum, HEADS: tl.constexpr, SOFTMAX: tl.constexpr
):  # fmt: skip
    """Of genes ``g`` of a cell: scale logit, mu, dropout logit (zinb) and theta."""
    s = tl.load(row + g, mask=there, other=log_sum) + tl.load(bias + g, mask=there, other=0)
    mu = _mean(s, scale, log_sum, SOFTMAX)
    q = mu
    if HEADS == 2:
        at = n_vars + g
        q = tl.load(row + at, mask=there, other=0) + tl.load(bias + at, mask=there, other=0)
    return s, mu, q, tl.exp(tl.load(theta_of + g, mask=there, other=0))


@triton.jit
def _of_dispersion(mu, theta):
    """r = log(theta / (theta + mu)), 1 / (theta + mu), and the derivative of theta r."""
    over_theta = 1 / (theta + EPS)
    ratio = mu * over_theta
    r = -_log1p(ratio)
    inverse = over_theta / (1 + ratio)
    return r, inverse, r + theta * ratio * inverse


@triton.jit
def _of_zeros(mu, theta, q, NAME: tl.constexpr):
    """Loss of zero counts, and its derivatives for mu, q and log theta."""
    if NAME == "poisson":
        return mu, tl.full(mu.shape, 1.0, mu.dtype), tl.zeros_like(mu), tl.zeros_like(mu)
    r, inverse, d_r = _of_dispersion(mu, theta)
    if NAME == "nb":
        return -theta * r, theta * inverse, tl.zeros_like(mu), -d_r * theta
    zero = theta * r - q
    share = _sigmoid(zero)
    return (
        _softplus(-q) - _softplus(zero),
        share * theta * inverse,
        share - _sigmoid(-q),
        -share * d_r * theta,
    )


@triton.jit
def _of_counts(x, log_factorial, mu, theta, q, NAME: tl.constexpr):
    """The same of counts that are not zero."""
    if NAME == "poisson":
        return mu - x * tl.log(mu) + log_factorial, 1 - x / mu, tl.zeros_like(mu), tl.zeros_like(mu)
    r, inverse, d_r = _of_dispersion(mu, theta)
    value, change = _gamma_differences(x, theta, log_factorial)
    loss = x * _log1p(theta / (mu + EPS)) - value - theta * r
    slope = theta * inverse * (1 - x / (mu + EPS))
    d_theta = (x * inverse - d_r - change) * theta
    if NAME == "nb":
        return loss, slope, tl.zeros_like(mu), d_theta
    return loss + _softplus(q), slope, _sigmoid(q), d_theta


@triton.jit
def _cell(
    logits, bias, log_theta, theta_row, scales, indptr, indices, values, log_factorials, losses, d_log_theta,
    kept, n_vars, n_values, HEADS: tl.constexpr, NAME: tl.constexpr, SOFTMAX: tl.constexpr, GENES: tl.constexpr,
    COUNTS: tl.constexpr,
):  # fmt: skip
    cell = tl.program_id(0).to(tl.int64)
    row = logits + cell * n_vars * HEADS
    theta_of = log_theta + tl.load(theta_row + cell) * n_vars
    d_theta_of = d_log_theta + cell * n_vars
    scale = tl.load(scales + cell)
    begin, end = tl.load(indptr + cell), tl.load(indptr + cell + 1)
    block, few = tl.arange(0, GENES), tl.arange(0, COUNTS)

    log_sum = 0.0
    if SOFTMAX:
        highest = tl.full((GENES,), -1e30, tl.float32)
        total = tl.zeros((GENES,), tl.float32)
        for start in range(0, n_vars, GENES):
            g = start + block
            there = g < n_vars
            s = tl.load(row + g, mask=there, other=-1e30) + tl.load(bias + g, mask=there, other=0)
            higher = tl.maximum(highest, s)
            total *= tl.exp(highest - higher)
            total += tl.where(there, tl.exp(s - higher), 0)
            highest = higher
        most = tl.max(highest, 0)
        log_sum = most + tl.log(tl.sum(total * tl.exp(highest - most), 0))

    # The loss, and the sum of mu times its derivative, which the softmax's own gradient needs.
    loss, slopes = 0.0, 0.0
    for start in range(0, n_vars, GENES):
        g = start + block
        there = g < n_vars
        s, mu, q, theta = _decoded(row, bias, theta_of, g, there, n_vars, scale, log_sum, HEADS, SOFTMAX)
        lost, slope, _, _ = _of_zeros(mu, theta, q, NAME)
        loss += tl.sum(tl.where(there, lost, 0), 0)
        slopes += tl.sum(tl.where(there, slope * mu, 0), 0)
    for start in range(begin, end, COUNTS):
        k = start + few
        there = k < end
        g = tl.load(indices + k, mask=there, other=0).to(tl.int64)
        x = tl.load(values + k, mask=there, other=1)
        factorial = tl.load(log_factorials + k, mask=there, other=0)
        s, mu, q, theta = _decoded(row, bias, theta_of, g, there, n_vars, scale, log_sum, HEADS, SOFTMAX)
        lost_0, slope_0, _, _ = _of_zeros(mu, theta, q, NAME)
        lost, slope, d_q, d_theta = _of_counts(x, factorial, mu, theta, q, NAME)
        loss += tl.sum(tl.where(there, lost - lost_0, 0), 0)
        slopes += tl.sum(tl.where(there, (slope - slope_0) * mu, 0), 0)
        tl.store(kept + k, slope, mask=there)
        tl.store(kept + n_values + k, s, mask=there)
        tl.store(kept + 2 * n_values + k, d_q, mask=there)
        tl.store(kept + 3 * n_values + k, d_theta, mask=there)
    tl.store(losses + cell, loss)

    # The gradients, written over the logits; then once more where a count is.
    mean = slopes / tl.maximum(scale, EPS)
    tl.debug_barrier()
    for start in range(0, n_vars, GENES):
        g = start + block
        there = g < n_vars
        s, mu, q, theta = _decoded(row, bias, theta_of, g, there, n_vars, scale, log_sum, HEADS, SOFTMAX)
        _, slope, d_q, d_theta = _of_zeros(mu, theta, q, NAME)
        tl.store(row + g, _back_to_logit(slope, mean, mu, s, scale, SOFTMAX), mask=there)
        if HEADS == 2:
            tl.store(row + n_vars + g, d_q, mask=there)
        if NAME != "poisson":
            tl.store(d_theta_of + g, d_theta, mask=there)
    tl.debug_barrier()
    for start in range(begin, end, COUNTS):
        k = start + few
        there = k < end
        g = tl.load(indices + k, mask=there, other=0).to(tl.int64)
        slope = tl.load(kept + k, mask=there, other=0)
        s = tl.load(kept + n_values + k, mask=there, other=0)
        mu = _mean(s, scale, log_sum, SOFTMAX)
        tl.store(row + g, _back_to_logit(slope, mean, mu, s, scale, SOFTMAX), mask=there)
        if HEADS == 2:
            tl.store(row + n_vars + g, tl.load(kept + 2 * n_values + k, mask=there, other=0), mask=there)
        if NAME != "poisson":
            tl.store(d_theta_of + g, tl.load(kept + 3 * n_values + k, mask=there, other=0), mask=there)


def nll_and_gradients(
    logits: torch.Tensor,
    bias: torch.Tensor,
    log_theta: torch.Tensor,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    likelihood: Likelihood,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As ``_reference.nll_and_gradients``, on a CUDA device; ``logits`` must be contiguous."""
    n_vars, n_values = counts.n_vars, counts.values.numel()
    losses = torch.empty_like(scale)
    poisson = likelihood.name == "poisson"
    d_theta = logits.new_empty(1 if poisson else counts.n_obs, n_vars)
    kept = logits.new_empty(4, n_values)
    _cell[(counts.n_obs,)](
        logits, bias, log_theta, theta_row, scale, counts.indptr, counts.indices, counts.values,
        torch.lgamma(counts.values + 1), losses, d_theta, kept, n_vars, n_values, likelihood.heads, likelihood.name,
        likelihood.mean == "softmax", GENES, COUNTS,
    )  # fmt: skip
    if poisson:
        return losses, logits.sum(0), torch.zeros_like(log_theta)
    if log_theta.shape[0] == 1:
        return losses, logits.sum(0), d_theta.sum(0, keepdim=True)
    members = one_hot(theta_row, log_theta.shape[0]).to(d_theta.dtype)
    return losses, logits.sum(0), members.T @ d_theta


Reconstruction = partial(Whole, nll_and_gradients)
