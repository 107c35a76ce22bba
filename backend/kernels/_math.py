"""Arithmetic for the CPU kernels (numba): exp and log that LLVM vectorises, and gamma functions that do not cancel.

The vectorised functions are polynomials in float32, good to 2 ulp; NaN comes out as NaN. numba adds its fast-math
flags to every operation, so nothing here relies on an order of evaluation.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

import math

import llvmlite.ir as ir
import numpy as np
from numba import types
from numba.extending import intrinsic

from ._compiled import exact, fast, fast_inline

f32, i32, u32, u64 = np.float32, np.int32, np.uint32, np.uint64
TABLE = 8  # whole counts up to this one have their gamma functions tabulated per gene


# Arithmetic on the bits of floats. numba itself would widen it to 64 bits, which takes two vectors instead of one.
WORD, FLOAT = ir.IntType(32), ir.FloatType()
MAGNITUDE, MANTISSA, ONE, ROOT_HALF = (WORD(n) for n in (0x7FFFFFFF, 0x007FFFFF, 0x3F800000, 0x3F3504F3))


@intrinsic
def in_order(typing, x):
    """An int32 that is larger where the float32 is."""

    def codegen(context, builder, signature, args):
        pattern = builder.bitcast(args[0], WORD)
        return builder.xor(pattern, builder.and_(builder.ashr(pattern, WORD(31)), MAGNITUDE))

    return types.int32(types.float32), codegen


@intrinsic
def from_order(typing, n):
    """The float32 of an ``in_order``."""

    def codegen(context, builder, signature, args):
        pattern = builder.xor(args[0], builder.and_(builder.ashr(args[0], WORD(31)), MAGNITUDE))
        return builder.bitcast(pattern, FLOAT)

    return types.float32(types.int32), codegen


@intrinsic
def _power(typing, x):
    """The n of x = 2^n m, m from sqrt(1/2) to sqrt(2)."""

    def codegen(context, builder, signature, args):
        return builder.ashr(builder.sub(builder.bitcast(args[0], WORD), ROOT_HALF), WORD(23))

    return types.int32(types.float32), codegen


@intrinsic
def _without_power(typing, x, n):
    """x / 2^n."""

    def codegen(context, builder, signature, args):
        pattern = builder.sub(builder.bitcast(args[0], WORD), builder.shl(args[1], WORD(23)))
        return builder.bitcast(pattern, FLOAT)

    return types.float32(types.float32, types.int32), codegen


@intrinsic
def _with_power(typing, x, shifted):
    """x * 2^n, n being the low bits of ``shifted``."""

    def codegen(context, builder, signature, args):
        x, shifted = (builder.bitcast(arg, WORD) for arg in args)
        return builder.bitcast(builder.add(x, builder.shl(shifted, WORD(23))), FLOAT)

    return types.float32(types.float32, types.float32), codegen


@intrinsic
def add_power(typing, n, x):
    """n + 127 + floor(log2(x)), for x > 0."""

    def codegen(context, builder, signature, args):
        return builder.add(args[0], builder.lshr(builder.bitcast(args[1], WORD), WORD(23)))

    return types.int32(types.int32, types.float32), codegen


@intrinsic
def mantissa(typing, x):
    """x > 0 divided by the power of two that brings it into [1, 2)."""

    def codegen(context, builder, signature, args):
        pattern = builder.and_(builder.bitcast(args[0], WORD), MANTISSA)
        return builder.bitcast(builder.or_(pattern, ONE), FLOAT)

    return types.float32(types.float32), codegen


@intrinsic
def prefetch(typing, array, g):
    """Ask for the line of memory that holds ``array[g]``, a contiguous float32 vector."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        builder.call(function, [place, word(0), word(2), word(1)])  # to read, second-level cache, data
        return context.get_dummy_value()

    return types.none(array, types.uint64), codegen


@intrinsic
def _if_zero(typing, k, a, b):
    """a where the int32 k is 0, else b, as a select."""

    def codegen(context, builder, signature, args):
        k, a, b = args
        return builder.select(builder.icmp_signed("==", k, ir.Constant(ir.IntType(32), 0)), a, b)

    return types.float32(types.int32, types.float32, types.float32), codegen


@intrinsic
def _above(typing, x):
    """x, or -85 where it is below; NaN kept. A select: branches would keep the loops from being vectorised."""

    def codegen(context, builder, signature, args):
        (x,) = args
        edge = ir.Constant(ir.FloatType(), -85.0)
        return builder.select(builder.fcmp_ordered("<", x, edge), edge, x)

    return types.float32(types.float32), codegen


@intrinsic
def _fma(typing, a, b, c):
    """a * b + c in one rounding, and out of reach of fast-math's regrouping."""

    def codegen(context, builder, signature, args):
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@fast_inline
def exp(x):
    """exp for x <= 85 to 2 ulp, x held above -85 so that the result is normal.

    The nearest whole power of two is read from the low bits of a large sum; a polynomial does the rest.
    """
    x = _above(x)
    shifted = _fma(x, f32(1.44269504088896341), f32(12582912.0))
    r = _fma(shifted - f32(12582912.0), f32(-0.69314718055994531), x)
    p = f32(8.31248e-3)
    p = p * r + f32(4.189055e-2)
    p = p * r + f32(1.6667116e-1)
    p = p * r + f32(4.9999229e-1)
    p = p * r + f32(1.0)
    p = p * r + f32(1.0)
    return _with_power(p, shifted)


@fast_inline
def _log_parts(power, m):
    """log(x) of x = 2^power (1 + m), to 2 ulp for -0.3 < m < 0.42. A NaN passes for a number."""
    p = f32(-0.10083561)
    p = p * m + f32(0.16182220)
    p = p * m + f32(-0.17243547)
    p = p * m + f32(0.19906712)
    p = p * m + f32(-0.24971193)
    p = p * m + f32(0.33334719)
    p = p * m + f32(-0.50000324)
    return m + p * m * m + f32(0.693147180559945) * f32(power)


@fast_inline
def log(x):
    """log for normal x > 0."""
    power = _power(x)
    return _log_parts(power, _without_power(x, power) - f32(1.0)) + f32(0.0) * x


@fast_inline
def quick_log1p(u):
    """log(1 + u) for u > -1, to which NaN is a number; near 1 from u itself, since 1 + u has lost digits."""
    w = f32(1.0) + u
    power = _power(w)
    return _log_parts(power, _if_zero(power, u, _without_power(w, power) - f32(1.0)))


@fast_inline
def log1p(u):
    """log(1 + u) for u > -1."""
    return quick_log1p(u) + f32(0.0) * u


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
def fill_table(theta, low, high, table):
    """``gamma_differences`` of the counts 1..TABLE, for genes low..high: table (TABLE, G, 2)."""
    value, slope = np.zeros(high - low, f32), np.zeros(high - low, f32)
    for j in range(TABLE):
        _extend(theta[low:high], f32(j), value, slope)
        for g in range(high - low):
            table[j, low + g, 0] = value[g]
            table[j, low + g, 1] = slope[g]
