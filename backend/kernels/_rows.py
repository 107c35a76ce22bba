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

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
from numba import config, njit, types
from numba.extending import intrinsic

HOST_FEATURES = llvm.get_host_cpu_features()
if HOST_FEATURES.get("avx512f") and not config.CPU_FEATURES:
    # LLVM prefers 256-bit vectors on such CPUs; these loops are nearly twice as fast in 512. numba reads this once.
    config.CPU_NAME = llvm.get_host_cpu_name()
    config.CPU_FEATURES = HOST_FEATURES.flatten() + ",-prefer-256-bit"

f32, i32 = np.float32, np.int32
EPS = f32(1e-8)
TABLE = 8  # whole counts up to this one have their gamma functions tabulated per gene
ZINB, NB, POISSON = 0, 1, 2
# Neither nnan nor ninf: a diverged run must show its NaN.
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}
exact = njit(cache=True, nogil=True, error_model="numpy")
fast = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
fast_inline = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")


@intrinsic
def _bits(typing, x):
    """float32 -> the int32 with the same bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def _from_bits(typing, x):
    """int32 -> the float32 with the same bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@intrinsic
def _if_zero(typing, k, a, b):
    """a where the int32 k is 0, else b, as a select."""

    def codegen(context, builder, signature, args):
        k, a, b = args
        return builder.select(builder.icmp_signed("==", k, ir.Constant(ir.IntType(32), 0)), a, b)

    return types.float32(types.int32, types.float32, types.float32), codegen


@intrinsic
def _clamp(typing, x):
    """x held within +-85, NaN kept. Spelled out as selects: branches would keep the loops from being vectorised."""

    def codegen(context, builder, signature, args):
        (x,) = args
        for sign, bound in (("<", -85.0), (">", 85.0)):
            edge = ir.Constant(ir.FloatType(), bound)
            x = builder.select(builder.fcmp_ordered(sign, x, edge), edge, x)
        return x

    return types.float32(types.float32), codegen


@fast_inline
def _exp(x):
    """exp to 2 ulp (Cephes ``expf``), the argument held within +-85 so that 1 / (1 + exp(x)) stays normal."""
    x = _clamp(x)
    n = np.floor(x * f32(1.44269504088896341) + f32(0.5))
    r = x - n * f32(0.693359375) + n * f32(2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * r + f32(1.3981999507e-3)
    p = p * r + f32(8.3334519073e-3)
    p = p * r + f32(4.1665795894e-2)
    p = p * r + f32(1.6666665459e-1)
    p = p * r + f32(5.0000001201e-1)
    return (p * r * r + r + f32(1.0)) * _from_bits((i32(n) + i32(127)) << i32(23))


@fast_inline
def _log_parts(x, exponent, m):
    """log(x) of x = 2^exponent (1 + m), to 2 ulp for -0.3 < m < 0.42 (Cephes ``logf``)."""
    z = m * m
    p = f32(7.0376836292e-2)
    p = p * m + f32(-1.1514610310e-1)
    p = p * m + f32(1.1676998740e-1)
    p = p * m + f32(-1.2420140846e-1)
    p = p * m + f32(1.4249322787e-1)
    p = p * m + f32(-1.6668057665e-1)
    p = p * m + f32(2.0000714765e-1)
    p = p * m + f32(-2.4999993993e-1)
    p = p * m + f32(3.3333331174e-1)
    # The last term is 0, or NaN where x is: its bits alone would pass for a number.
    return m + (p * m * z - f32(0.5) * z) + f32(0.693147180559945) * f32(exponent) + f32(0.0) * x


@fast_inline
def _log(x):
    """log for normal x > 0."""
    exponent = (_bits(x) - i32(0x3F3504F3)) >> i32(23)
    return _log_parts(x, exponent, _from_bits(_bits(x) - (exponent << i32(23))) - f32(1.0))


@fast_inline
def _log1p(u):
    """log(1 + u) for u > -1; near 1 from u itself, since 1 + u has lost digits."""
    w = f32(1.0) + u
    exponent = (_bits(w) - i32(0x3F3504F3)) >> i32(23)
    m = _from_bits(_bits(w) - (exponent << i32(23))) - f32(1.0)
    return _log_parts(w, exponent, _if_zero(exponent, u, m))


@fast_inline
def _softplus(t):
    return f32(0.5) * (t + abs(t)) + _log1p(_exp(-abs(t)))


# ------------------------------------------------------------------------------------- gamma functions


@exact
def _stirling(z):
    """Remainder of log Gamma(z) = (z - 1/2) log z - z + log(2 pi) / 2 + remainder; 1e-10 for z >= 8."""
    f = 1.0 / (z * z)
    return (1.0 / 12.0 - f * (1.0 / 360.0 - f * (1.0 / 1260.0 - f / 1680.0))) / z


@exact
def _digamma_tail(z):
    """digamma(z) - log(z); 1e-10 for z >= 8."""
    f = 1.0 / (z * z)
    return -0.5 / z - f * (1.0 / 12.0 - f * (1.0 / 120.0 - f * (1.0 / 252.0 - f / 240.0)))


@exact
def gamma_differences(x, theta):
    """lgamma(x + theta) - lgamma(theta) - lgamma(x + 1), and digamma(x + theta) - digamma(theta), float64.

    Both arguments are lifted above 8 by the recurrence; Stirling's series are then subtracted in the form that
    does not cancel when theta is large.
    """
    a, b = np.float64(theta), np.float64(x) + np.float64(theta)
    lift, harmonic = 1.0, 0.0
    while a < 8.0:
        lift *= a
        harmonic += 1.0 / a
        a += 1.0
    while b < 8.0:
        lift /= b
        harmonic -= 1.0 / b
        b += 1.0
    gap = b - a
    ratio = math.log1p(gap / a)
    value = gap * math.log(b) + (a - 0.5) * ratio - gap + _stirling(b) - _stirling(a)
    value += math.log(lift) - math.lgamma(np.float64(x) + 1.0)
    return value, ratio + _digamma_tail(b) - _digamma_tail(a) + harmonic


@fast
def _extend(theta, j, value, slope):
    over = f32(1.0) / (j + f32(1.0))
    for g in range(theta.shape[0]):
        t = theta[g] + j
        value[g] += _log(t * over)
        slope[g] += f32(1.0) / t


@fast
def fill_tables(theta, low, high, value, slope):
    """``gamma_differences`` of the counts 1..TABLE, for genes low..high: two (TABLE, G) tables."""
    value[0, low:high] = f32(0.0)
    slope[0, low:high] = f32(0.0)
    for j in range(TABLE):
        if j:
            value[j, low:high] = value[j - 1, low:high]
            slope[j, low:high] = slope[j - 1, low:high]
        _extend(theta[low:high], f32(j), value[j, low:high], slope[j, low:high])


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
        bits = _bits(s[g])
        top = max(top, bits ^ ((bits >> i32(31)) & i32(0x7FFFFFFF)))
    return _from_bits(top ^ ((top >> i32(31)) & i32(0x7FFFFFFF)))


@fast
def _softmax_mean(s, scale, mu):
    top = _top(s)
    total = f32(0.0)
    for g in range(s.shape[0]):
        e = _exp(s[g] - top)
        mu[g] = e
        total += e
    factor = scale / total
    for g in range(s.shape[0]):
        mu[g] *= factor


@fast
def _softplus_mean(s, scale, mu):
    for g in range(s.shape[0]):
        mu[g] = scale * _softplus(s[g])


@fast_inline
def _zero(t, over_t, m):
    """r / theta = -log(1 + mu / theta), its part in the derivative for theta, and 1 / (theta + mu)."""
    ratio = m * over_t
    r = -_log1p(ratio)
    inverse = over_t / (f32(1.0) + ratio)
    return r, r + t * ratio * inverse, inverse


@fast_inline
def _zinb_zero(t, over_t, m, q):
    """Of one zero count: loss, its derivatives for q, mu and theta, and what a non-zero can use of the way there."""
    r, d_r, inverse = _zero(t, over_t, m)
    e = _exp(-q)
    p = _exp(t * r) * e
    over_e = f32(1.0) / (f32(1.0) + e)
    over_p = f32(1.0) / (f32(1.0) + p)
    loss = _log1p((e - p) * over_p)
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
        loss += _softplus(q[k]) - t[k] * r + x[k] * _log1p(t[k] / mean) - value[k] - zero
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
        loss += x[k] * _log1p(t[k] / mean) - value[k]
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
        s[g] = slope[g] * scale / (f32(1.0) + _exp(-s[g]))


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
