"""UMAP's optimisation (McInnes, Healy and Melville 2018), compiled: umap-learn's moves in its order, four times sooner.

    curve = fitted_curve(min_dist)
    places = beginning.copy()
    for epoch in range(1, epochs + 1):
        move(places, graph, shares, curve, epoch, rate)

What takes umap-learn's time is two powers of a distance for every pair. Both forces depend on that distance alone, so
here they are read from a table, 128 values to each doubling, a thousandth apart. One thread, because both ends of an
edge move: with several the places would depend on who came first.
"""

# mypy: ignore-errors
# numba gives these functions types of its own, which a checker of Python types misreads.
from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import llvmlite.ir as ir
import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

NEGATIVES = 5  # cells that push, for each that pulls: umap-learn's own
_SPREAD = 1.0
f32, i32, u64 = np.float32, np.int32, np.uint64
_DROPPED = i32(16)  # bits of a float32 that the tables do not look at: 7 of the mantissa are left
_LEAST, _MOST = f32(2.0**-24), f32(2.0**16)  # squared distances in the tables
_FIRST = i32(_LEAST.view(np.int32) >> _DROPPED)
_STRONGEST = f32(4)  # umap-learn's bound on each coordinate of a move


@dataclass(frozen=True)
class Curve:
    """How the likeness 1 / (1 + a d^2b) of two cells pulls and pushes them, by the bits of the squared distance."""

    pull: npt.NDArray[np.float32]
    push: npt.NDArray[np.float32]


def fitted_curve(min_dist: float) -> Curve:
    """The curve nearest to 1 within ``min_dist`` and an exponential decay beyond, as ``find_ab_params`` fits it."""
    from scipy.optimize import curve_fit

    x = np.linspace(0, 3 * _SPREAD, 300)
    wanted = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist) / _SPREAD))
    (a, b), _ = curve_fit(lambda x, a, b: 1.0 / (1.0 + a * x ** (2 * b)), x, wanted)
    last = _MOST.view(np.int32) >> _DROPPED
    middles = ((np.arange(_FIRST, last + 1, dtype=np.int32) << _DROPPED) + i32(1 << (_DROPPED - 1))).view(f32)
    squared = middles.astype(np.float64)
    unlike = 1.0 + a * squared**b
    return Curve(
        pull=(2 * a * b * squared ** (b - 1) / unlike).astype(f32),
        push=(2 * b / ((0.001 + squared) * unlike)).astype(f32),
    )


def move(places, indptr, indices, shares, curve: Curve, epoch: int, rate: float) -> None:
    """One epoch, in place.

    Parameters
    ----------
    places
        C x 2, float32.
    indptr, indices, shares
        CSR of the symmetric graph; a share (float32, at most 1) says in how many of the epochs its edge pulls.
    epoch
        From 1.
    """
    _move(places, indptr, indices, shares, curve.pull, curve.push, i32(epoch), f32(rate))


def _compiled(function):
    dispatcher = njit(nogil=True, fastmath=True)(function)
    with suppress(RuntimeError):  # no folder to keep it in: then it is compiled anew
        dispatcher.enable_caching()
    return dispatcher


@intrinsic
def _bits(typing, x):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@njit(inline="always", fastmath=True)
def _force(table, dx, dy):
    squared = min(_MOST, max(_LEAST, dx * dx + dy * dy))
    return table[(_bits(squared) >> _DROPPED) - _FIRST]


@njit(inline="always", fastmath=True)
def _bounded(step):
    return min(_STRONGEST, max(-_STRONGEST, step))


@_compiled
def _move(places, indptr, indices, shares, pull, push, epoch, rate):
    n = places.shape[0]
    for i in range(n):
        # a generator of its own for each cell and epoch: splitmix, then Knuth's linear congruences
        state = u64(i) * u64(0x9E3779B97F4A7C15) + u64(epoch) * u64(0xD1B54A32D192ED03)
        state = (state ^ (state >> u64(32))) * u64(0xD6E8FEB86659FD93)
        state ^= state >> u64(32)
        x, y = places[i, 0], places[i, 1]
        for edge in range(indptr[i], indptr[i + 1]):
            share = shares[edge]
            if i32(epoch * share) == i32((epoch - i32(1)) * share):
                continue
            j = indices[edge]
            dx, dy = x - places[j, 0], y - places[j, 1]
            force = _force(pull, dx, dy)
            right, up = _bounded(force * dx) * rate, _bounded(force * dy) * rate
            x -= right
            y -= up
            places[j, 0] += right
            places[j, 1] += up
            for _ in range(NEGATIVES):
                state = state * u64(6364136223846793005) + u64(1442695040888963407)
                k = i32(((state >> u64(33)) * u64(n)) >> u64(31))
                if k != i:
                    dx, dy = x - places[k, 0], y - places[k, 1]
                    force = _force(push, dx, dy)
                    x += _bounded(force * dx) * rate
                    y += _bounded(force * dy) * rate
        places[i, 0], places[i, 1] = x, y
