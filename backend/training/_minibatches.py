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

# scvi-tools' managers and fields have no types: ``Any``.

AHEAD = 2  # minibatches made ready in advance


class CsrCells:
    """The cells of a model, from which loaders take minibatches.

    Parameters
    ----------
    model
        An ``SCVI`` whose counts are a CSR matrix.
    """

    def __init__(self, model: Any) -> None:
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

    def minibatch(self, cells: npt.NDArray[np.int64]) -> Minibatch:
        nnz = int((self._indptr[cells + 1] - self._indptr[cells]).sum())
        indptr, indices = np.empty(len(cells) + 1, np.int64), np.empty(nnz, np.int32)
        counts, library = np.empty(nnz, np.float32), np.empty(len(cells), np.float32)
        gather_rows(cells, self._indptr, self._indices, self._counts, indptr, indices, counts, library)
        inputs = np.log1p(counts) if self._log_inputs else counts
        a, b, c, d, scale = (torch.from_numpy(t) for t in (indptr, indices, counts, inputs, library))
        where = torch.from_numpy(cells)

        def field(key: str) -> torch.Tensor | None:
            return self._fields[key][where] if key in self._fields else None

        return Minibatch(
            counts=CsrCounts(a, b, c, self._n_vars),
            inputs=CsrCounts(a, b, d, self._n_vars),
            scale=scale if self._size_factors is None else self._size_factors[where],
            batch=self._fields[REGISTRY_KEYS.BATCH_KEY][where],
            labels=self._fields[REGISTRY_KEYS.LABELS_KEY][where],
            categorical=field(REGISTRY_KEYS.CAT_COVS_KEY),
            continuous=field(REGISTRY_KEYS.CONT_COVS_KEY),
        )


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
        order = RandomSampler(chosen) if shuffle else SequentialSampler(chosen)
        drop_tail = drop_tail and len(chosen) > batch_size
        self._chosen: DataLoader[Any] = DataLoader(
            np.asarray(chosen, dtype=np.int64),  # type: ignore[arg-type]  # indexed with lists, as a Dataset may be
            sampler=BatchSampler(order, batch_size, drop_tail),
            batch_size=None,
            collate_fn=np.asarray,
        )

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Minibatch]:
        chosen = iter(self._chosen)
        with ThreadPoolExecutor(1, thread_name_prefix="minibatch") as pool:
            waiting: deque[Future[Minibatch]] = deque()
            while True:
                while len(waiting) <= AHEAD and (cells := next(chosen, None)) is not None:
                    waiting.append(pool.submit(phase, "row gather", self._cells.minibatch, cells))
                if not waiting:
                    return
                yield waiting.popleft().result()


def _as_tensor(field: Any) -> torch.Tensor:
    values = np.asarray(field)
    wanted = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
    return torch.from_numpy(np.ascontiguousarray(values, dtype=wanted))
