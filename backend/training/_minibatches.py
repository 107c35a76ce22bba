"""Minibatches for the fused engine: counts stay CSR from the mapped file to the loss.

While the device works on one minibatch, a thread gathers the rows of the next ones, without the GIL. Which cells
come when is drawn by torch's own loader and samplers, just as scvi-tools has them, so that a run of the fused engine
sees the minibatches of a stock run with the same seed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scvi import REGISTRY_KEYS
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from ..kernels import CsrCounts, gather_rows, phase
from ..network import Minibatch
from ._resident import ResidentRows, fits

# scvi-tools' managers and fields have no types: ``Any``.

CPU = torch.device("cpu")
AHEAD = 1  # gatherings made ready in advance, beside the one under way
_AT_ONCE = 200_000  # non-zeros: as many minibatches are gathered together, or one
_SMALL = 32_000


class CsrCells:
    """The cells of a model, from which loaders take minibatches.

    Parameters
    ----------
    model
        An ``SCVI`` whose counts are a CSR matrix.
    device
        Where minibatches are wanted. A graphics card takes all counts if it has room for them; from page-locked memory
        they are copied beside its work where it has not.
    """

    def __init__(self, model: Any, device: torch.device = CPU) -> None:
        manager, module = model.adata_manager, model.module
        X = manager.get_from_registry(REGISTRY_KEYS.X_KEY)
        self._indptr = np.asarray(X.indptr, dtype=np.int64)
        self._indices, self._counts, self._n_vars = X.indices, X.data, X.shape[1]
        self._log_inputs = module.log_variational
        self._fields = {
            key: _as_tensor(manager.get_from_registry(key))
            for key in manager.data_registry
            if key != REGISTRY_KEYS.X_KEY
        }
        factors = self._fields.get(REGISTRY_KEYS.SIZE_FACTOR_KEY) if module.use_size_factor_key else None
        self._size_factors = None if factors is None else factors.flatten().float()
        self.nnz_per_cell = len(X.data) / max(1, X.shape[0])
        self._resident: ResidentRows | None = None
        self._pinned = device.type == "cuda"
        if self._pinned and fits(len(X.data), device):
            self.settle(device)

    def settle(self, device: torch.device) -> None:
        """Keep everything on ``device``, and make minibatches there."""
        self._resident = ResidentRows(self._indptr, self._indices, self._counts, device)
        self._fields = {key: field.to(device) for key, field in self._fields.items()}
        self._size_factors = None if self._size_factors is None else self._size_factors.to(device)

    def _gather(self, cells: npt.NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        """Row pointers, genes, counts, the encoder's inputs, and each cell's sum of counts."""
        if self._resident is not None:
            indptr, indices, counts, library = self._resident.gather(cells)
            return indptr, indices, counts, counts.log1p() if self._log_inputs else counts, library
        nnz = int((self._indptr[cells + 1] - self._indptr[cells]).sum())

        def empty(n: int, dtype: torch.dtype) -> torch.Tensor:
            return torch.empty(n, dtype=dtype, pin_memory=self._pinned)

        indptr, indices = empty(len(cells) + 1, torch.int64), empty(nnz, torch.int32)
        counts, library = empty(nnz, torch.float32), empty(len(cells), torch.float32)
        out = (indptr.numpy(), indices.numpy(), counts.numpy(), library.numpy())
        gather_rows(cells, self._indptr, self._indices, self._counts, *out)
        inputs = counts
        if self._log_inputs:
            inputs = empty(nnz, torch.float32)
            _log1p(counts, inputs)
        return indptr, indices, counts, inputs, library

    def minibatch(self, cells: npt.NDArray[np.int64]) -> Minibatch:
        return self._made(cells, *self._gather(cells))

    def minibatches(self, cells: npt.NDArray[np.int64], size: int) -> list[Minibatch]:
        """``cells`` in minibatches of ``size``, the last one with the rest; gathered at once."""
        if len(cells) <= size:
            return [self.minibatch(cells)]
        a, b, c, d, scale = self._gather(cells)
        parts = []
        for low in range(0, len(cells), size):
            begin, rows = a[low : low + size + 1], slice(low, low + size)
            own = slice(int(begin[0]), int(begin[-1]))
            parts.append(self._made(cells[rows], begin - begin[0], b[own], c[own], d[own], scale[rows]))
        return parts

    def _made(
        self,
        cells: npt.NDArray[np.int64],
        indptr: torch.Tensor,
        indices: torch.Tensor,
        counts: torch.Tensor,
        inputs: torch.Tensor,
        library: torch.Tensor,
    ) -> Minibatch:
        where = torch.from_numpy(cells).to(counts.device)

        def field(key: str) -> torch.Tensor | None:
            return self._fields[key][where] if key in self._fields else None

        return Minibatch(
            counts=CsrCounts(indptr, indices, counts, self._n_vars),
            inputs=CsrCounts(indptr, indices, inputs, self._n_vars),
            scale=library if self._size_factors is None else self._size_factors[where],
            batch=self._fields[REGISTRY_KEYS.BATCH_KEY][where],
            labels=self._fields[REGISTRY_KEYS.LABELS_KEY][where],
            categorical=field(REGISTRY_KEYS.CAT_COVS_KEY),
            continuous=field(REGISTRY_KEYS.CONT_COVS_KEY),
        )

    def at_once(self, size: int) -> int:
        """Minibatches of ``size`` that are gathered together; a graphics card takes them one by one."""
        on_cpu = self._resident is None and not self._pinned
        return max(1, int(_AT_ONCE / max(1.0, self.nnz_per_cell * size))) if on_cpu else 1


class CsrLoader:
    """Iterates over ``chosen`` cells in minibatches.

    Parameters
    ----------
    drop_tail
        Leave out a last minibatch that is smaller than the others.
    """

    def __init__(
        self,
        cells: CsrCells,
        chosen: npt.NDArray[np.intp],
        batch_size: int,
        *,
        shuffle: bool,
        drop_tail: bool = False,
    ) -> None:
        self._cells = cells
        self._batch_size = batch_size
        order = RandomSampler(chosen) if shuffle else SequentialSampler(chosen)
        dropped = len(chosen) % batch_size if drop_tail and len(chosen) > batch_size else 0
        self._n_cells = len(chosen) - dropped
        self._chosen: DataLoader[Any] = DataLoader(
            np.asarray(chosen, dtype=np.int64),  # type: ignore[arg-type]  # indexed with lists, as a Dataset may be
            sampler=BatchSampler(order, cells.at_once(batch_size) * batch_size, drop_last=False),
            batch_size=None,
            collate_fn=np.asarray,
        )

    def __len__(self) -> int:
        return -(-self._n_cells // self._batch_size)

    def __iter__(self) -> Iterator[Minibatch]:
        chosen = self._in_parts()
        with ThreadPoolExecutor(1, thread_name_prefix="minibatch") as pool:
            waiting: deque[Future[list[Minibatch]]] = deque()
            while True:
                while len(waiting) <= AHEAD and (cells := next(chosen, None)) is not None:
                    gather = self._cells.minibatches
                    waiting.append(pool.submit(phase, "row gather", gather, cells, self._batch_size))
                if not waiting:
                    return
                yield from waiting.popleft().result()

    def _in_parts(self) -> Iterator[npt.NDArray[np.int64]]:
        left = self._n_cells
        for cells in self._chosen:
            if left > 0:
                yield cells[:left]
            left -= len(cells)


def _log1p(counts: torch.Tensor, out: torch.Tensor) -> None:
    """In parts too small for torch to wake other threads."""
    for low in range(0, len(counts), _SMALL):
        torch.log1p(counts[low : low + _SMALL], out=out[low : low + _SMALL])


def _as_tensor(field: Any) -> torch.Tensor:
    values = np.asarray(field)
    wanted = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
    return torch.from_numpy(np.ascontiguousarray(values, dtype=wanted))
