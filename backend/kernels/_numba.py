"""The CPU implementation: splits a minibatch over threads and runs the numba loops of ``_rows`` and ``_sparse``.

The threads are our own (``_team``). One thread is the serial variant of the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from . import _between, _math, _rows, _sparse
from ._plain import Norm, Normalised, Sample
from ._sparse import gather_rows
from ._team import team_of
from ._types import CsrCounts, Likelihood

KINDS = {"zinb": _rows.ZINB, "nb": _rows.NB, "poisson": _rows.POISSON}


def _spread(threads: int, size: int, work: Callable[[int, int, int], object]) -> None:
    """Call ``work(slot, low, high)`` on equal parts of range(size); the caller's thread takes the first."""
    if threads == 1:
        work(0, 0, size)
        return
    edges = [size * i // threads for i in range(threads + 1)]
    pieces = [partial(work, i, edges[i], edges[i + 1]) for i in range(threads)]
    team_of(threads).run(pieces[1:], pieces[0])


class Reconstruction:
    """The loss of a minibatch and its gradients, block of cells by block, each thread in a slot of its own.

    Parameters are those of ``_reference.nll_and_gradients``, float32 on the CPU; ``slots`` may work at the same time.
    """

    def __init__(
        self,
        bias: torch.Tensor,
        log_theta: torch.Tensor,
        theta_row: torch.Tensor,
        scale: torch.Tensor,
        counts: CsrCounts,
        likelihood: Likelihood,
        *,
        slots: int,
    ) -> None:
        theta = log_theta.exp()
        n_theta, n_vars = theta.shape
        table = np.empty((n_theta, _math.TABLE, n_vars, 2), np.float32)
        if likelihood.name != "poisson":
            for k in range(n_theta):
                _math.fill_table(theta[k].numpy(), 0, n_vars, table[k])
        self._loss = torch.empty(counts.n_obs)
        self._theta = theta
        self._d_bias = torch.zeros(slots, bias.numel())
        self._d_theta = torch.zeros(slots, n_theta, n_vars)
        self._kind = KINDS[likelihood.name], likelihood.mean == "softmax"
        over_theta = 1 / (theta + float(_rows.EPS))
        tensors = (bias, theta, over_theta, theta_row, scale, counts.indptr, counts.indices, counts.values)
        self._given = [*(tensor.numpy() for tensor in tensors), table, self._loss.numpy()]
        self._sums = [(self._d_bias[i].numpy(), self._d_theta[i].numpy()) for i in range(slots)]

    def block(self, slot: int, logits: torch.Tensor, low: int, high: int) -> None:
        """Cells low..high of ``logits`` (C, heads * G), before the bias: overwritten with their gradient."""
        _rows.rows(low, high, *self._kind, logits.numpy(), *self._given, *self._sums[slot])

    def result(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As ``_reference.nll_and_gradients``, once every cell was in a block."""
        return self._loss, self._d_bias.sum(0), self._d_theta.sum(0).mul_(self._theta)


def nll_and_gradients(
    logits: torch.Tensor,
    bias: torch.Tensor,
    log_theta: torch.Tensor,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    likelihood: Likelihood,
    *,
    threads: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As ``_reference.nll_and_gradients``, float32 on the CPU."""
    threads = threads or torch.get_num_threads()
    made = Reconstruction(bias, log_theta, theta_row, scale, counts, likelihood, slots=threads)
    _spread(threads, counts.n_obs, lambda slot, low, high: made.block(slot, logits, low, high))
    return made.result()


def multiply(inputs: CsrCounts, weight_GH: torch.Tensor, *, threads: int | None = None) -> torch.Tensor:
    """As ``_reference.multiply``, float32 on the CPU."""
    out = torch.empty(inputs.n_obs, weight_GH.shape[1])
    arrays = [t.numpy() for t in (inputs.indptr, inputs.indices, inputs.values, weight_GH, out)]
    _spread(
        threads or torch.get_num_threads(),
        inputs.n_obs,
        lambda _, low, high: _sparse.multiply(low, high, *arrays),
    )
    return out


def multiply_transposed(
    inputs: CsrCounts, d_out_CH: torch.Tensor, out: torch.Tensor, *, threads: int | None = None
) -> torch.Tensor:
    """As ``_reference.multiply_transposed``, float32 on the CPU."""
    tensors = (inputs.indptr, inputs.indices, inputs.values, d_out_CH.contiguous(), out)
    arrays = [t.numpy() for t in tensors]
    _spread(
        threads or torch.get_num_threads(),
        inputs.n_vars,
        lambda _, low, high: _sparse.multiply_transposed(low, high, *arrays),
    )
    return out


_NOTHING = np.empty((0, 0), np.float32)


def normalise(
    a: torch.Tensor,
    norm: Norm,
    momentum: float,
    *,
    of_minibatch: bool,
    rectified: bool,
    kept: torch.Tensor | None,
) -> Normalised:
    """As ``_plain.normalise``, float32 on the CPU."""
    made = Normalised(torch.empty_like(a), a, torch.empty(a.shape[1]), torch.empty(a.shape[1]))
    before, out, mean, over = (t.numpy() for t in (a, made.out, made.mean, made.over_deviation))
    running = norm.running_mean.numpy(), norm.running_var.numpy()
    if of_minibatch:
        _between.moments(before, mean, over, *running, momentum, norm.eps)
    else:
        _between.running(over, mean, *running, norm.eps)
    mask = _NOTHING if kept is None else kept.numpy()
    _between.apply(before, mean, over, norm.scale.numpy(), norm.shift.numpy(), rectified, mask, out)
    return made


def normalise_back(
    d: torch.Tensor,
    made: Normalised,
    norm: Norm,
    d_scale: torch.Tensor,
    d_shift: torch.Tensor,
    *,
    rectified: bool,
    kept: torch.Tensor | None,
) -> torch.Tensor:
    """As ``_plain.normalise_back``, float32 on the CPU; ``d`` is overwritten."""
    d = d.contiguous()
    tensors = (d, made.out, made.before, made.mean, made.over_deviation, norm.scale)
    mask = _NOTHING if kept is None else kept.numpy()
    _between.back(*(t.numpy() for t in tensors), rectified, mask, d_scale.numpy(), d_shift.numpy())
    return d


def sample(both: torch.Tensor, noise: torch.Tensor, eps: float) -> Sample:
    """As ``_plain.sample``, float32 on the CPU."""
    z, variance, deviation = (torch.empty_like(noise) for _ in range(3))
    kl = _between.sample(both.numpy(), noise.numpy(), eps, z.numpy(), variance.numpy(), deviation.numpy())
    return Sample(z, variance, deviation, torch.tensor(kl, dtype=torch.float32))


def sample_back(
    d_z: torch.Tensor, both: torch.Tensor, drawn: Sample, noise: torch.Tensor, eps: float, weight: float
) -> torch.Tensor:
    """As ``_plain.sample_back``, float32 on the CPU."""
    out = torch.empty_like(both)
    tensors = (d_z.contiguous(), both, drawn.variance, drawn.deviation, noise)
    _between.sample_back(*(t.numpy() for t in tensors), eps, weight, out.numpy())
    return out


def compile_kernels() -> None:
    """Compile what a run needs, on a tiny minibatch: seconds the first time, then numba's cache on disk has it."""
    indptr, indices = np.array([0, 1, 2], np.int64), np.array([0, 1], np.int32)
    values, library = np.array([1, 20], np.float32), np.empty(2, np.float32)
    cells = np.arange(2)
    gather_rows(cells, indptr, indices, values, indptr.copy(), indices.copy(), values.copy(), library)
    a, b, c = (torch.from_numpy(array) for array in (indptr, indices, values))
    counts = CsrCounts(a, b, c, 2)
    multiply_transposed(counts, multiply(counts, torch.ones(2, 2)), torch.empty(2, 2))
    hidden, width = torch.ones(2, 2), torch.zeros(2)
    norm = Norm(torch.ones(2), torch.zeros(2), torch.zeros(2), torch.ones(2), 1e-3)
    for of_minibatch in (False, True):
        made = normalise(hidden, norm, 0.1, of_minibatch=of_minibatch, rectified=True, kept=hidden)
    normalise_back(torch.ones(2, 2), made, norm, width, width.clone(), rectified=True, kept=None)
    drawn = sample(hidden, torch.ones(2, 1), 1e-4)
    sample_back(torch.ones(2, 1), hidden, drawn, torch.ones(2, 1), 1e-4, 1.0)
    rows = torch.zeros(2, dtype=torch.long)
    for likelihood in (Likelihood("zinb"), Likelihood("nb"), Likelihood("poisson")):
        n_logits = 2 * likelihood.heads
        nll_and_gradients(
            torch.zeros(2, n_logits),
            torch.zeros(n_logits),
            torch.zeros(1, 2),
            rows,
            torch.ones(2),
            counts,
            likelihood,
        )
