"""The CPU kernel (numba): loss and gradients of a block of cells, in place, no C x G temporaries.

Ninety-odd per cent of the counts are zeros, which need no lgamma. So genes are first treated as if all their counts
were zero (``_zeros``), and then the few non-zeros are put right (``_counts``): a block of genes at a time, that stays
in the first-level cache. Everything runs without the GIL. See ``_reference`` for scvi-tools' formulas.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import numpy as np

from ._compiled import exact
from ._counts import (
    CERTAIN,
    WHOLE,
    gather,
    gather_gamma,
    nb_counts,
    poisson_counts,
    put,
    put_more,
    take_out,
    zinb_counts,
)
from ._math import f32, i32, prefetch, u64
from ._zeros import (
    BLOCK,
    LANES,
    add,
    dot,
    log_of,
    multiply_up,
    nb_zeros,
    poisson_zeros,
    softmax_back,
    softmax_mean,
    softplus_back,
    softplus_mean,
    zinb_zeros,
)

EPS = f32(1e-8)
ZINB, NB, POISSON = 0, 1, 2
LINE = 16  # floats of a line of memory


@exact
def rows(
    low, high, kind, softmax, logits, bias, theta, over_theta, theta_row, scale,
    indptr, indices, values, table, loss, d_bias, d_theta,
):  # fmt: skip
    """Cells low..high: fill ``loss``, overwrite ``logits`` with their gradient, add to ``d_bias`` and ``d_theta``.

    Shapes: logits (C, heads * G), bias and d_bias (heads * G), theta and d_theta (K, G), table (K, TABLE, G, 2).
    ``over_theta`` is 1 / (theta + EPS); ``d_theta`` is the gradient for theta itself.
    """
    n_vars = theta.shape[1]
    n_logits = u64(logits.shape[1] - n_vars)
    n_blocks = (n_vars + BLOCK - 1) // BLOCK
    e, slope, factor = np.empty(n_vars, f32), np.empty(n_vars, f32), np.empty(n_blocks, f32)
    odds, product, exponent = (
        np.empty((BLOCK // LANES, LANES), f32),
        np.empty(LANES, f32),
        np.empty(LANES, i32),
    )
    odds_flat = odds.reshape(BLOCK)
    x, m, t = np.empty(BLOCK + WHOLE, f32), np.empty(BLOCK + WHOLE, f32), np.empty(BLOCK + WHOLE, f32)
    qs, value, change = (
        np.empty(BLOCK + WHOLE, f32),
        np.empty(BLOCK + WHOLE, f32),
        np.empty(BLOCK + WHOLE, f32),
    )
    bias_s, bias_q, d_bias_s, d_bias_q = bias[:n_vars], bias[n_vars:], d_bias[:n_vars], d_bias[n_vars:]
    for c in range(low, high):
        c_theta, k, end = theta_row[c], u64(indptr[c]), u64(indptr[c + 1])
        s, q = logits[c, :n_vars], logits[c, n_vars:]
        following = logits[min(c + 1, high - 1)]
        theta_c, over_c, d_theta_c, known = (
            theta[c_theta],
            over_theta[c_theta],
            d_theta[c_theta],
            table[c_theta],
        )
        if softmax:
            softmax_mean(s, bias_s, scale[c], e, factor)
        else:
            softplus_mean(s, bias_s, e)
            factor[:] = scale[c]
        total, weighted, n_products = f32(0.0), f32(0.0), u64(0)
        product[:] = f32(1.0)
        exponent[:] = i32(0)
        for b in range(n_blocks):
            i, j, f = u64(b * BLOCK), u64(min((b + 1) * BLOCK, n_vars)), factor[b]
            for g in range(i, j, LINE):  # of the next row, while this one computes
                prefetch(following, g)
                prefetch(following, g + n_logits)
            first = k
            while k < end and u64(indices[k]) < j:
                k += u64(1)
            n = k - first
            whole = (n + u64(WHOLE - 1)) // u64(WHOLE) * u64(WHOLE)
            for h in range(n, whole):
                x[h], m[h], t[h], qs[h], value[h], change[h] = (
                    f32(0),
                    f32(0),
                    f32(1),
                    -CERTAIN,
                    f32(0),
                    f32(0),
                )
            gather(first, k, indices, values, e, f, x, m)
            if kind == POISSON:
                total += poisson_zeros(i, j, e, f, slope) + poisson_counts(n, x, m)
            else:
                gather_gamma(first, k, indices, values, theta_c, known, t, value, change)
                if kind == ZINB:
                    take_out(first, k, indices, q, bias_q, qs)
                    zinb_zeros(i, j, e, f, q, bias_q, theta_c, over_c, slope, d_theta_c, odds_flat)
                    filled = (j - i + u64(LANES - 1)) // u64(LANES)
                    for h in range(j - i, filled * u64(LANES)):
                        odds_flat[h] = f32(1.0)
                    multiply_up(odds, filled, product, exponent)
                    n_products += filled
                    total += zinb_counts(whole, x, m, t, qs, value, change)
                    put(first, k, indices, qs, q)
                    add(i, j, d_bias_q, q)
                else:
                    total += nb_zeros(i, j, e, f, theta_c, over_c, slope, d_theta_c)
                    total += nb_counts(whole, x, m, t, value, change)
                put_more(first, k, indices, t, d_theta_c)
            put(first, k, indices, m, slope)
            weighted += dot(i, j, e, slope) * f
        if kind == ZINB:
            total += f32(log_of(product, exponent, n_products))
        loss[c] = total + f32(0.0) * weighted  # a NaN is lost in the product of odds, but not here

        mean = weighted / scale[c] if scale[c] > f32(0.0) else f32(0.0)
        if softmax:
            for b in range(n_blocks):
                i, j = u64(b * BLOCK), u64(min((b + 1) * BLOCK, n_vars))
                softmax_back(i, j, e, factor[b], slope, mean, s, d_bias_s)
        else:
            softplus_back(slope, scale[c], s, d_bias_s)
