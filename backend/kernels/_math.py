"""Arithmetic for the CPU kernels (numba): exp and log that LLVM vectorises, and gamma functions that do not cancel.

The vectorised functions are polynomials in float32, good to 2 ulp; NaN comes out as NaN. numba adds its fast-math
flags to every operation, so nothing here relies on an order of evaluation. Its cache on disk notices changes of a
function's own file only: after a change here, `make clean` before trusting what ``_rows`` computes.
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

try:
    HOST_FEATURES = llvm.get_host_cpu_features()
except RuntimeError:  # LLVM does not tell them for every processor; numba then does without as well
    HOST_FEATURES = {}
if HOST_FEATURES.get("avx512f") and not config.CPU_FEATURES:
    # LLVM prefers 256-bit vectors on such CPUs; these loops are nearly twice as fast in 512. numba reads this once.
    config.CPU_NAME = llvm.get_host_cpu_name()
    config.CPU_FEATURES = HOST_FEATURES.flatten() + ",-prefer-256-bit"

f32, i32 = np.float32, np.int32
TABLE = 8  # whole counts up to this one have their gamma functions tabulated per gene
# Neither nnan nor ninf: a diverged run must show its NaN.
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}
exact = njit(cache=True, nogil=True, error_model="numpy")
fast = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
fast_inline = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")


@intrinsic
def bits(typing, x):
    """float32 -> the int32 with the same bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def from_bits(typing, x):
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
def exp(x):
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
    return (p * r * r + r + f32(1.0)) * from_bits((i32(n) + i32(127)) << i32(23))


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
def log(x):
    """log for normal x > 0."""
    exponent = (bits(x) - i32(0x3F3504F3)) >> i32(23)
    return _log_parts(x, exponent, from_bits(bits(x) - (exponent << i32(23))) - f32(1.0))


@fast_inline
def log1p(u):
    """log(1 + u) for u > -1; near 1 from u itself, since 1 + u has lost digits."""
    w = f32(1.0) + u
    exponent = (bits(w) - i32(0x3F3504F3)) >> i32(23)
    m = from_bits(bits(w) - (exponent << i32(23))) - f32(1.0)
    return _log_parts(w, exponent, _if_zero(exponent, u, m))


@fast_inline
def softplus(t):
    return f32(0.5) * (t + abs(t)) + log1p(exp(-abs(t)))


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
        value[g] += log(t * over)
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
