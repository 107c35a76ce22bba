"""The CPU kernel's loops over the genes of a row (numba): means, and losses and slopes as if all counts were zero.

LLVM vectorises every one of them. They take whole arrays and unsigned bounds i, j: numba counts references to slices
and wraps signed indices around.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import math

import numpy as np

from ._compiled import exact, fast
from ._math import add_power, exp, f32, from_order, i32, in_order, log1p, mantissa, quick_log1p, softplus, u64

BLOCK = 1024  # genes whose arrays stay in the first-level cache together
LANES = 64  # products that grow side by side, see ``multiply_up``


# ------------------------------------------------------------------------------- the mean of each gene
# It is held as ``e`` and one factor a block: mu = e * factor.


@fast
def _shift(i, j, s, bias, e):
    """e = s + bias, and its largest entry: found on integers ordered as floats are, which LLVM vectorises."""
    top = i32(-(2**31))
    for g in range(i, j):
        x = s[g] + bias[g]
        e[g] = x
        top = max(top, in_order(x))
    return from_order(top)


@fast
def _exp_sum(i, j, e, top):
    total = f32(0.0)
    for g in range(i, j):
        x = exp(e[g] - top)
        e[g] = x
        total += x
    return total


@exact
def softmax_mean(s, bias, scale, e, factor):
    """Each block against a largest entry of its own, so that one sweep over the row is enough."""
    top, total = f32(-np.inf), f32(0.0)
    for b in range(factor.shape[0]):
        i, j = u64(b * BLOCK), u64(min((b + 1) * BLOCK, s.shape[0]))
        factor[b] = _shift(i, j, s, bias, e)
        part = _exp_sum(i, j, e, factor[b])
        if not factor[b] <= top:
            total *= math.exp(top - factor[b])
            top = factor[b]
        total += part * math.exp(factor[b] - top)
    for b in range(factor.shape[0]):
        factor[b] = scale / total * math.exp(factor[b] - top)


@fast
def softplus_mean(s, bias, e):
    for g in range(s.shape[0]):
        x = s[g] + bias[g]
        s[g] = x
        e[g] = softplus(x)


@fast
def softmax_back(i, j, e, factor, slope, mean, s, d_bias):
    for g in range(i, j):
        d = e[g] * factor * (slope[g] - mean)
        s[g] = d
        d_bias[g] += d


@fast
def softplus_back(slope, scale, s, d_bias):
    for g in range(slope.shape[0]):
        d = slope[g] * scale / (f32(1.0) + exp(-max(s[g], f32(-85.0))))
        s[g] = d
        d_bias[g] += d


@fast
def dot(i, j, a, b):
    total = f32(0.0)
    for g in range(i, j):
        total += a[g] * b[g]
    return total


@fast
def add(i, j, total, row):
    for g in range(i, j):
        total[g] += row[g]


# ----------------------------------------------------------------------- genes as if all counts were zero
# They leave the loss's derivative for mu in ``slope``.


@fast
def zinb_zeros(i, j, e, factor, q, bias, theta, over_theta, slope, d_theta, odds):
    """With P = (theta / (theta + mu))^theta and pi = sigmoid(q), the loss of a zero is -log(pi + (1 - pi) P).

    Both parts are scaled by exp(-|q|) where that keeps them from overflowing. ``odds`` are left for the loss, whose
    logarithm needs not be taken gene by gene. ``q`` becomes the gradient.
    """
    for g in range(i, j):
        t, mu, logit = theta[g], e[g] * factor, q[g] + bias[g]
        over_t = over_theta[g]
        ratio = mu * over_t
        r = -quick_log1p(ratio)
        share_mu = t * over_t / (f32(1.0) + ratio)
        u = exp(-abs(logit))
        a, b = (f32(1.0), u) if logit > f32(0.0) else (u, f32(1.0))
        p = exp(t * r) * b
        over_sum = f32(1.0) / (a + p)
        w = f32(1.0) + u
        share = p * over_sum
        q[g] = share - b / w
        slope[g] = share * share_mu
        d_theta[g] -= share * (r + share_mu * ratio)
        odds[g - i] = w * over_sum


@fast
def multiply_up(odds, n, product, exponent):
    """Multiply rows of ``odds`` (n, LANES) into ``product``, whose powers of two are moved to ``exponent``."""
    for j in range(n):
        for i in range(LANES):
            more = product[i] * odds[j, i]
            exponent[i] = add_power(exponent[i], more)
            product[i] = mantissa(more)


@exact
def log_of(product, exponent, n):
    """``exponent`` holds 127 too many for each of n factors."""
    total = 0.0
    for i in range(LANES):
        total += math.log(product[i]) + math.log(2.0) * (exponent[i] - 127.0 * n)
    return total


@fast
def nb_zeros(i, j, e, factor, theta, over_theta, slope, d_theta):
    loss = f32(0.0)
    for g in range(i, j):
        t, mu = theta[g], e[g] * factor
        ratio = mu * over_theta[g]
        r = -log1p(ratio)
        d_mu = t * over_theta[g] / (f32(1.0) + ratio)
        loss -= t * r
        slope[g] = d_mu
        d_theta[g] -= r + d_mu * ratio
    return loss


@fast
def poisson_zeros(i, j, e, factor, slope):
    total = f32(0.0)
    for g in range(i, j):
        total += e[g] * factor
        slope[g] = f32(1.0)
    return total
