"""The CPU kernel's inner loops (numba): loss and gradients of a block of cells, in place, no C x G temporaries.

Ninety-odd per cent of the counts are zeros, which need no lgamma. So a row is first treated as if all its counts
were zero, in loops that LLVM vectorises (exp and log are polynomials for that), and then the few non-zeros are put
right. Float32 throughout, except lgamma of counts that are large or not whole. Everything runs without the GIL.

With q the dropout logit and r = theta * log(theta / (theta + mu)), the loss of a zero is log((1 + E) / (1 + P)),
E = exp(-q), P = exp(r - q). See ``_reference`` for the formulas as scvi-tools writes them.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import math

import numpy as np

from backend.kernels._math import (
    TABLE,
    bits,
    exact,
    exp,
    f32,
    fast,
    fast_inline,
    from_bits,
    gamma_differences,
    i32,
    log1p,
    softplus,
)

EPS = f32(1e-8)
ZINB, NB, POISSON = 0, 1, 2


# ------------------------------------------------------------------------- a row as if it were all zeros


@fast
def _add(row, other):
    for g in range(row.shape[0]):
        row[g] += other[g]


@fast
def _top(s):
    """The largest entry, found on integers that are ordered as the floats are: that LLVM vectorises."""
    top = i32(-(2**31))
    for g in range(s.shape[0]):
        pattern = bits(s[g])
        top = max(top, pattern ^ ((pattern >> i32(31)) & i32(0x7FFFFFFF)))
    return from_bits(top ^ ((top >> i32(31)) & i32(0x7FFFFFFF)))


@fast
def _softmax_mean(s, scale, mu):
    top = _top(s)
    total = f32(0.0)
    for g in range(s.shape[0]):
        e = exp(s[g] - top)
        mu[g] = e
        total += e
    factor = scale / total
    for g in range(s.shape[0]):
        mu[g] *= factor


@fast
def _softplus_mean(s, scale, mu):
    for g in range(s.shape[0]):
        mu[g] = scale * softplus(s[g])


@fast_inline
def _zero(t, over_t, m):
    """r / theta = -log(1 + mu / theta), its part in the derivative for theta, and 1 / (theta + mu)."""
    ratio = m * over_t
    r = -log1p(ratio)
    inverse = over_t / (f32(1.0) + ratio)
    return r, r + t * ratio * inverse, inverse


@fast_inline
def _zinb_zero(t, over_t, m, q):
    """Of one zero count: loss, its derivatives for q, mu and theta, and what a non-zero can use of the way there."""
    r, d_r, inverse = _zero(t, over_t, m)
    e = exp(-q)
    p = exp(t * r) * e
    over_e = f32(1.0) / (f32(1.0) + e)
    over_p = f32(1.0) / (f32(1.0) + p)
    loss = log1p((e - p) * over_p)
    share = p * over_p
    return loss, share - e * over_e, share * t * inverse, -share * d_r, r, d_r, inverse, over_e


@fast
def _zinb_zeros(mu, q, theta, over_theta, slope, d_theta):
    loss = f32(0.0)
    for g in range(mu.shape[0]):
        part, d_q, d_mu, d_t, _, _, _, _ = _zinb_zero(theta[g], over_theta[g], mu[g], q[g])
        loss += part
        q[g] = d_q
        slope[g] = d_mu
        d_theta[g] += d_t
    return loss


@fast
def _nb_zeros(mu, theta, over_theta, slope, d_theta):
    loss = f32(0.0)
    for g in range(mu.shape[0]):
        r, d_r, inverse = _zero(theta[g], over_theta[g], mu[g])
        loss -= theta[g] * r
        slope[g] = theta[g] * inverse
        d_theta[g] -= d_r
    return loss


@fast
def _poisson_zeros(mu, slope):
    loss = f32(0.0)
    for g in range(mu.shape[0]):
        loss += mu[g]
        slope[g] = f32(1.0)
    return loss


# -------------------------------------------------------------------------- the non-zeros, put right
# Of each non-zero, gathered into short arrays: x count, m mean, t theta, q dropout logit, value and change the
# gamma differences. What comes back is what to add to the loss of the row and to d_theta, and d_mu and d_q themselves.
# log(mu / (theta + mu)) is taken as -log1p(theta / mu), exact where counts and means are large.


@fast
def _zinb_counts(x, m, t, q, value, change, d_mu, d_q, d_t):
    loss = f32(0.0)
    for k in range(x.shape[0]):
        zero, _, _, zero_t, r, d_r, inverse, over_e = _zinb_zero(t[k], f32(1.0) / (t[k] + EPS), m[k], q[k])
        mean = m[k] + EPS
        loss += softplus(q[k]) - t[k] * r + x[k] * log1p(t[k] / mean) - value[k] - zero
        d_mu[k] = t[k] * inverse * (f32(1.0) - x[k] / mean)
        d_q[k] = over_e
        d_t[k] = x[k] * inverse - d_r - change[k] - zero_t
    return loss


@fast
def _nb_counts(x, m, t, value, change, d_mu, d_t):
    loss = f32(0.0)
    for k in range(x.shape[0]):
        inverse = f32(1.0) / (t[k] + m[k] + EPS)
        mean = m[k] + EPS
        loss += x[k] * log1p(t[k] / mean) - value[k]
        d_mu[k] = t[k] * inverse * (f32(1.0) - x[k] / mean)
        d_t[k] = x[k] * inverse - change[k]
    return loss


@exact
def _poisson_counts(x, m, d_mu):
    loss = f32(0.0)
    for k in range(x.shape[0]):
        loss += f32(math.lgamma(np.float64(x[k]) + 1.0) - x[k] * math.log(np.float64(m[k])))
        d_mu[k] = f32(1.0) - x[k] / m[k]
    return loss


# ---------------------------------------------------------------------------------------- the block


@fast
def _softmax_back(mu, slope, scale, s):
    total = f32(0.0)
    for g in range(mu.shape[0]):
        total += slope[g] * mu[g]
    mean = total / scale if scale > f32(0.0) else f32(0.0)
    for g in range(mu.shape[0]):
        s[g] = mu[g] * (slope[g] - mean)


@fast
def _softplus_back(slope, scale, s):
    for g in range(slope.shape[0]):
        s[g] = slope[g] * scale / (f32(1.0) + exp(-s[g]))


@exact
def rows(
    low, high, kind, softmax, logits, bias, theta, over_theta, theta_row, scale,
    indptr, indices, values, table_value, table_slope, loss, d_bias, d_theta,
):  # fmt: skip
    """Cells low..high: fill ``loss``, overwrite ``logits`` with their gradient, add to ``d_bias`` and ``d_theta``.

    Shapes: logits (C, heads * G), bias and d_bias (heads * G), theta and d_theta (K, G), tables (K, TABLE, G).
    ``over_theta`` is 1 / (theta + EPS); ``d_theta`` is the gradient for theta itself.
    """
    n_vars = theta.shape[1]
    mu, slope = np.empty(n_vars, f32), np.empty(n_vars, f32)
    longest = 0
    for c in range(low, high):
        longest = max(longest, indptr[c + 1] - indptr[c])
    scratch = np.empty((8, longest), f32)
    for c in range(low, high):
        start, n, k_row = indptr[c], indptr[c + 1] - indptr[c], theta_row[c]
        s, q = logits[c, :n_vars], logits[c, n_vars:]
        genes, x = indices[start : start + n], values[start : start + n]
        m, t, qs, value, change = (
            scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n], scratch[4, :n],
        )  # fmt: skip
        d_mu, d_q, d_t = scratch[5, :n], scratch[6, :n], scratch[7, :n]
        _add(logits[c], bias)
        if softmax:
            _softmax_mean(s, scale[c], mu)
        else:
            _softplus_mean(s, scale[c], mu)
        for k in range(n):
            m[k] = mu[genes[k]]
        if kind == POISSON:
            total = _poisson_zeros(mu, slope) + _poisson_counts(x, m, d_mu)
        else:
            for k in range(n):
                g, whole = genes[k], int(x[k])
                t[k] = theta[k_row, g]
                if whole == x[k] and whole <= TABLE:
                    value[k], change[k] = table_value[k_row, whole - 1, g], table_slope[k_row, whole - 1, g]
                else:
                    exact_value, exact_change = gamma_differences(x[k], t[k])
                    value[k], change[k] = f32(exact_value), f32(exact_change)
            if kind == ZINB:
                for k in range(n):
                    qs[k] = q[genes[k]]
                total = _zinb_zeros(mu, q, theta[k_row], over_theta[k_row], slope, d_theta[k_row])
                total += _zinb_counts(x, m, t, qs, value, change, d_mu, d_q, d_t)
                for k in range(n):
                    q[genes[k]] = d_q[k]
            else:
                total = _nb_zeros(mu, theta[k_row], over_theta[k_row], slope, d_theta[k_row])
                total += _nb_counts(x, m, t, value, change, d_mu, d_t)
            for k in range(n):
                d_theta[k_row, genes[k]] += d_t[k]
        for k in range(n):
            slope[genes[k]] = d_mu[k]
        loss[c] = total
        if softmax:
            _softmax_back(mu, slope, scale[c], s)
        else:
            _softplus_back(slope, scale[c], s)
        _add(d_bias, logits[c])
