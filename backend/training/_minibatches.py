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
from scvi.dataloaders import DataSplitter
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from ..kernels import CsrCounts, gather_rows, phase

AHEAD = 2  # minibatches made ready in advance
Minibatch = dict[str, torch.Tensor]


def counts_of(minibatch: Minibatch, n_vars: int) -> CsrCounts:
    return CsrCounts(minibatch["indptr"], minibatch["indices"], minibatch["counts"], n_vars)


def inputs_of(minibatch: Minibatch, n_vars: int) -> CsrCounts:
    """What the encoder sees."""
    return CsrCounts(minibatch["indptr"], minibatch["indices"], minibatch["inputs"], n_vars)


class CsrLoader:
    """Iterates over ``cells`` in minibatches; see ``counts_of`` and ``inputs_of`` for what they hold.

    Besides the counts, a minibatch has ``library`` (C,) and each registered field but X under scvi-tools' own key.

    Parameters
    ----------
    manager
        The model's ``AnnDataManager``; its X is a CSR matrix.
    log_inputs
        Whether the encoder sees log(1 + count).
    drop_tail
        Leave out a last minibatch that is smaller than the others.
    """

    def __init__(
        self,
        manager: Any,
        cells: npt.NDArray[np.intp],
        batch_size: int,
        *,
        shuffle: bool,
        log_inputs: bool,
        drop_tail: bool = False,
    ) -> None:
        X = manager.get_from_registry(REGISTRY_KEYS.X_KEY)
        self._indptr = np.asarray(X.indptr, dtype=np.int64)
        self._indices, self._counts, self._n_vars = X.indices, X.data, X.shape[1]
        self._fields = {
            key: _as_tensor(manager.get_from_registry(key))
            for key in manager.data_registry
            if key != REGISTRY_KEYS.X_KEY
        }
        self._log_inputs = log_inputs
        order = RandomSampler(cells) if shuffle else SequentialSampler(cells)
        drop_tail = drop_tail and len(cells) > batch_size
        self._chosen: DataLoader[Any] = DataLoader(
            np.asarray(cells, dtype=np.int64),  # type: ignore[arg-type]  # indexed with lists, as a Dataset may be
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
                    waiting.append(pool.submit(phase, "row gather", self._make, cells))
                if not waiting:
                    return
                yield waiting.popleft().result()

    def _make(self, cells: npt.NDArray[np.intp]) -> Minibatch:
        nnz = int((self._indptr[cells + 1] - self._indptr[cells]).sum())
        indptr, indices = np.empty(len(cells) + 1, np.int64), np.empty(nnz, np.int32)
        counts, library = np.empty(nnz, np.float32), np.empty(len(cells), np.float32)
        gather_rows(cells, self._indptr, self._indices, self._counts, indptr, indices, counts, library)
        arrays = {
            "library": library,  # first: Lightning weighs an epoch's mean by the length of a minibatch's first tensor
            "indptr": indptr,
            "indices": indices,
            "counts": counts,
            "inputs": np.log1p(counts) if self._log_inputs else counts,
        }
        where = torch.from_numpy(cells)
        return {
            **{name: torch.from_numpy(array) for name, array in arrays.items()},
            **{key: field[where] for key, field in self._fields.items()},
        }


def _as_tensor(field: Any) -> torch.Tensor:
    values = np.asarray(field)
    wanted = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
    return torch.from_numpy(np.ascontiguousarray(values, dtype=wanted))


class CsrSplitter(DataSplitter):
    """scvi-tools' splitter with ``CsrLoader`` for a loader."""

    def __init__(self, *args: Any, log_inputs: bool = True, drop_tail: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log_inputs = log_inputs
        self._drop_tail = drop_tail

    def _loader(self, cells: Any, **options: Any) -> CsrLoader:
        size = self.data_loader_kwargs["batch_size"]
        return CsrLoader(self.adata_manager, cells, size, log_inputs=self._log_inputs, **options)

    def train_dataloader(self) -> CsrLoader:
        return self._loader(self.train_idx, shuffle=True, drop_tail=self._drop_tail)

    def val_dataloader(self) -> CsrLoader | None:
        return self._loader(self.val_idx, shuffle=False) if len(self.val_idx) else None

    def test_dataloader(self) -> CsrLoader | None:
        return self._loader(self.test_idx, shuffle=False) if len(self.test_idx) else None
