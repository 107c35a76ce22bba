"""Counts that stay on the graphics card: a minibatch's rows are gathered there; nothing but cell numbers travels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

_SHARE = 0.6  # of the free memory; the rest is for the model and its logits


class ResidentRows:
    """All rows of a CSR matrix on ``device``.

    Parameters
    ----------
    indptr
        int64 (N+1,), of N cells.
    indices, counts
        (nnz,), memory-mapped or not.
    """

    def __init__(
        self,
        indptr: npt.NDArray[np.int64],
        indices: npt.NDArray[np.integer],
        counts: npt.NDArray[np.generic],
        device: torch.device,
    ) -> None:
        self._starts = indptr
        self._indices = torch.from_numpy(np.asarray(indices, np.int32)).to(device)
        self._counts = torch.from_numpy(np.asarray(counts, np.float32)).to(device)
        self._device = device

    def gather(self, cells: npt.NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        """Row pointers int64 (C+1,), genes int32 (nnz,), counts float32 (nnz,) and their sum in each row (C,)."""
        starts = self._starts[cells]
        lengths = self._starts[cells + 1] - starts
        indptr = np.concatenate(([0], np.cumsum(lengths)))
        nnz = int(indptr[-1])  # known here, so that the card need not be waited for
        there = torch.from_numpy(np.stack((starts - indptr[:-1], lengths))).to(
            self._device, non_blocking=True
        )
        shift, repeats = there
        where = torch.arange(nnz, device=self._device)
        where += torch.repeat_interleave(shift, repeats, output_size=nnz)
        counts = self._counts[where]
        pointers = torch.from_numpy(indptr).to(self._device, non_blocking=True)
        library = torch.segment_reduce(counts, "sum", lengths=repeats, unsafe=True)
        return pointers, self._indices[where], counts, library


def fits(n_values: int, device: torch.device) -> bool:
    """Whether ``n_values`` counts with their gene numbers leave enough of the card's memory for training."""
    free, _ = torch.cuda.mem_get_info(device)
    return 8 * n_values <= _SHARE * free
