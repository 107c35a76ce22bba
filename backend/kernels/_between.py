"""The CPU's loops between the products of a step (numba): batch norm with what follows it, and the latent's sample.

Each is one pass or two over a minibatch's hidden units, in one thread: as torch operations they take longer to call
than to compute. Means and variances are summed in float64, as torch does.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import math

import numpy as np

from ._compiled import exact, fast
from ._math import f32


@exact
def moments(a, mean, over, running_mean, running_var, momentum, eps):
    """Mean and 1 / standard deviation of each column of ``a`` (C, H); the running averages move."""
    n, width = a.shape
    total = np.zeros(width, np.float64)
    for c in range(n):
        for h in range(width):
            total[h] += a[c, h]
    for h in range(width):
        total[h] /= n
    square = np.zeros(width, np.float64)
    for c in range(n):
        for h in range(width):
            gap = np.float64(a[c, h]) - total[h]
            square[h] += gap * gap
    for h in range(width):
        mean[h] = f32(total[h])
        over[h] = f32(1.0 / math.sqrt(square[h] / n + eps))
        running_mean[h] = f32(momentum * total[h] + (1.0 - momentum) * running_mean[h])
        running_var[h] = f32(momentum * (square[h] / (n - 1)) + (1.0 - momentum) * running_var[h])


@exact
def running(over, mean, running_mean, running_var, eps):
    for h in range(mean.shape[0]):
        mean[h] = running_mean[h]
        over[h] = f32(1.0 / math.sqrt(np.float64(running_var[h]) + eps))


@fast
def apply(a, mean, over, scale, shift, rectified, kept, out):
    """``kept`` has no rows where nothing is dropped."""
    n, width = a.shape
    drops = kept.shape[0] > 0
    factor = np.empty(width, f32)
    for h in range(width):
        factor[h] = over[h] * scale[h]
    for c in range(n):
        for h in range(width):
            x = (a[c, h] - mean[h]) * factor[h] + shift[h]
            out[c, h] = f32(0.0) if rectified and x < f32(0.0) else x
        if drops:
            for h in range(width):
                out[c, h] *= kept[c, h]


@fast
def back(d, out, a, mean, over, scale, rectified, kept, d_scale, d_shift):
    """``d`` becomes the gradient for ``a``."""
    n, width = a.shape
    drops = kept.shape[0] > 0
    sums, products = np.zeros(width, np.float64), np.zeros(width, np.float64)
    for c in range(n):
        if drops:
            for h in range(width):
                d[c, h] *= kept[c, h]
        if rectified:
            for h in range(width):
                d[c, h] = f32(0.0) if out[c, h] <= f32(0.0) else d[c, h]
        for h in range(width):
            sums[h] += d[c, h]
            products[h] += d[c, h] * (a[c, h] - mean[h])
    factor, base, slope = np.empty(width, f32), np.empty(width, f32), np.empty(width, f32)
    for h in range(width):
        d_shift[h] = f32(sums[h])
        d_scale[h] = f32(products[h] * over[h])
        factor[h] = scale[h] * over[h]
        base[h] = f32(sums[h] / n)
        slope[h] = f32(products[h] * over[h] * over[h] / n)
    for c in range(n):
        for h in range(width):
            d[c, h] = factor[h] * (d[c, h] - base[h] - (a[c, h] - mean[h]) * slope[h])


@exact
def sample(both, noise, eps, z, variance, deviation):
    """Returns the KL term of all cells."""
    n, n_latent = noise.shape
    kl = 0.0
    for c in range(n):
        for i in range(n_latent):
            mean = both[c, i]
            v = f32(math.exp(both[c, n_latent + i])) + f32(eps)
            s = f32(math.sqrt(v))
            z[c, i] = mean + s * noise[c, i]
            variance[c, i], deviation[c, i] = v, s
            kl += 0.5 * (v + np.float64(mean) * mean - 1.0 - math.log(np.float64(v)))
    return kl


@exact
def sample_back(d_z, both, variance, deviation, noise, eps, weight, out):
    n, n_latent = noise.shape
    for c in range(n):
        for i in range(n_latent):
            d, v = d_z[c, i], variance[c, i]
            out[c, i] = d + f32(weight) * both[c, i]
            of_variance = d * noise[c, i] / deviation[c, i] + f32(weight) * (f32(1.0) - f32(1.0) / v)
            out[c, n_latent + i] = f32(0.5) * of_variance * (v - f32(eps))
