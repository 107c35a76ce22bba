"""The CPU implementation: splits a minibatch over threads and runs the numba loops of ``_rows`` and ``_sparse``.

The threads are our own: the loops release the GIL, so numba's threading layers, whose fallback ends the process
when two threads enter it, are not used at all. One thread is the serial variant of the same code.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from . import _math, _rows, _sparse
from ._sparse import gather_rows
from ._types import CsrCounts, Likelihood

KINDS = {"zinb": _rows.ZINB, "nb": _rows.NB, "poisson": _rows.POISSON}


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="kernel")


def _spread(threads: int, size: int, work: Callable[[int, int, int], None]) -> None:
    """Call ``work(thread, low, high)`` on equal parts of range(size); the caller's thread takes the first."""
    if threads == 1:
        return work(0, 0, size)
    edges = [size * i // threads for i in range(threads + 1)]
    waiting = [_pool(threads).submit(work, i, edges[i], edges[i + 1]) for i in range(1, threads)]
    work(0, edges[0], edges[1])
    for future in waiting:
        future.result()


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
    theta = log_theta.exp()
    n_theta, n_vars = theta.shape
    table = np.empty((n_theta, _math.TABLE, n_vars, 2), np.float32)
    if likelihood.name != "poisson":
        for k in range(n_theta):
            row = theta[k].numpy()

            def fill(_: int, low: int, high: int, k: int = k, row: npt.NDArray[np.float32] = row) -> None:
                _math.fill_table(row, low, high, table[k])

            _spread(threads, n_vars, fill)
    loss = torch.empty(counts.n_obs)
    d_bias = torch.zeros(threads, bias.numel())
    d_theta = torch.zeros(threads, n_theta, n_vars)
    arrays = [t.numpy() for t in (logits, bias, theta, 1 / (theta + float(_rows.EPS)), theta_row, scale)]
    csr = [t.numpy() for t in (counts.indptr, counts.indices, counts.values)]

    def work(thread: int, low: int, high: int) -> None:
        _rows.rows(
            low, high, KINDS[likelihood.name], likelihood.mean == "softmax", *arrays, *csr,
            table, loss.numpy(), d_bias[thread].numpy(), d_theta[thread].numpy(),
        )  # fmt: skip

    _spread(threads, counts.n_obs, work)
    return loss, d_bias.sum(0), d_theta.sum(0).mul_(theta)


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


def compile_kernels() -> None:
    """Compile what a run needs, on a tiny minibatch: seconds the first time, then numba's cache on disk has it."""
    indptr, indices = np.array([0, 1, 2], np.int64), np.array([0, 1], np.int32)
    values, library = np.array([1, 20], np.float32), np.empty(2, np.float32)
    cells = np.arange(2)
    gather_rows(cells, indptr, indices, values, indptr.copy(), indices.copy(), values.copy(), library)
    a, b, c = (torch.from_numpy(array) for array in (indptr, indices, values))
    counts = CsrCounts(a, b, c, 2)
    multiply_transposed(counts, multiply(counts, torch.ones(2, 2)), torch.empty(2, 2))
    rows = torch.zeros(2, dtype=torch.long)
    for likelihood in (Likelihood("zinb"), Likelihood("nb"), Likelihood("poisson")):
        width = 2 * likelihood.heads
        nll_and_gradients(
            torch.zeros(2, width),
            torch.zeros(width),
            torch.zeros(1, 2),
            rows,
            torch.ones(2),
            counts,
            likelihood,
        )
