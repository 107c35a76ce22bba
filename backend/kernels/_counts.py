"""The CPU kernel's loops over the non-zeros of a block of genes (numba): what they change against zeros.

Float32, except lgamma of counts that are large or not whole.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import math

import numpy as np

from ._compiled import exact, fast
from ._math import TABLE, exp, f32, gamma_differences, i32, log1p, softplus, u32

EPS = f32(1e-8)
WHOLE = 32  # a multiple of the vectors' length
CERTAIN = f32(40.0)  # a dropout logit that leaves a zero nothing to explain, without denormal numbers


# -------------------------------------------------------------------------- the non-zeros, put right
# Of the non-zeros first..last, gathered into short arrays: x count, m mean, t theta, q dropout logit, value and change
# the gamma differences. The arrays are filled up with nothings to a multiple of ``WHOLE``, so that no loop has a scalar
# rest. They return the loss, and leave the derivatives for mu in ``m``, for q in ``q`` and for theta in ``t``.
# log(mu / (theta + mu)) is taken as -log1p(theta / mu), exact where counts and means are large.


@exact
def gather(first, last, genes, counts, e, factor, x, m):
    for k in range(first, last):
        x[k - first] = counts[k]
        m[k - first] = e[u32(genes[k])] * factor


@exact
def gather_gamma(first, last, genes, counts, theta, known, t, value, change):
    for k in range(first, last):
        g, x = u32(genes[k]), counts[k]
        whole, theta_g = i32(x), theta[g]
        t[k - first] = theta_g
        if f32(whole) == x and whole <= TABLE:
            value[k - first], change[k - first] = known[u32(whole - 1), g, 0], known[u32(whole - 1), g, 1]
        else:
            exact_value, exact_change = gamma_differences(x, theta_g)
            value[k - first], change[k - first] = f32(exact_value), f32(exact_change)


@exact
def take_out(first, last, genes, q, bias, taken):
    """The dropout logits of some genes; those left in their place make a zero certain, and its loss and slopes none."""
    for k in range(first, last):
        g = u32(genes[k])
        taken[k - first] = q[g] + bias[g]
        q[g] = CERTAIN - bias[g]


@exact
def put(first, last, genes, values, row):
    for k in range(first, last):
        row[u32(genes[k])] = values[k - first]


@exact
def put_more(first, last, genes, values, row):
    for k in range(first, last):
        row[u32(genes[k])] += values[k - first]


@fast
def zinb_counts(n, x, m, t, q, value, change):
    loss = f32(0.0)
    for k in range(n):
        theta, logit = t[k], q[k]
        ratio = m[k] / (theta + EPS)
        r = -log1p(ratio)
        mean = m[k] + EPS
        over = f32(1.0) / (theta + mean)
        loss += softplus(logit) - theta * r + x[k] * log1p(theta / mean) - value[k]
        m[k] = theta * over * (f32(1.0) - x[k] / mean)
        q[k] = f32(1.0) / (f32(1.0) + exp(min(-logit, f32(85.0))))
        t[k] = x[k] * over - r - theta * ratio * over - change[k]
    return loss


@fast
def nb_counts(n, x, m, t, value, change):
    """What comes on top of a zero's loss and derivative for theta."""
    loss = f32(0.0)
    for k in range(n):
        mean = m[k] + EPS
        over = f32(1.0) / (t[k] + mean)
        loss += x[k] * log1p(t[k] / mean) - value[k]
        m[k] = t[k] * over * (f32(1.0) - x[k] / mean)
        t[k] = x[k] * over - change[k]
    return loss


@exact
def poisson_counts(n, x, m):
    loss = f32(0.0)
    for k in range(n):
        loss += f32(math.lgamma(np.float64(x[k]) + 1.0) - x[k] * math.log(np.float64(m[k])))
        m[k] = f32(1.0) - x[k] / m[k]
    return loss
