"""What the kernels take: the counts of one minibatch as CSR arrays, and the likelihood's options."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class CsrCounts:
    """Counts of C cells x G genes, or the encoder's inputs, non-zeros only. All tensors live on one device.

    ``indptr`` int64 (C+1,), ``indices`` int32 (nnz,) ascending in each cell, ``values`` float32 (nnz,) and > 0.
    """

    indptr: torch.Tensor
    indices: torch.Tensor
    values: torch.Tensor
    n_vars: int

    @property
    def n_obs(self) -> int:
        return self.indptr.numel() - 1

    def to(self, device: torch.device) -> CsrCounts:
        a, b, c = (t.to(device, non_blocking=True) for t in (self.indptr, self.indices, self.values))
        return CsrCounts(a, b, c, self.n_vars)

    def rows(self) -> torch.Tensor:
        """Row number of each non-zero, int64 (nnz,)."""
        cells = torch.arange(self.n_obs, device=self.indptr.device)
        return torch.repeat_interleave(cells, self.indptr.diff(), output_size=self.values.numel())

    def dense(self, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Counts as a dense (C, G) tensor; for references and accelerators."""
        out = torch.zeros(self.n_obs, self.n_vars, device=self.values.device, dtype=dtype)
        out[self.rows(), self.indices.long()] = self.values.to(dtype)
        return out


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Which negative log-likelihood. ``mean`` is how the mean follows from the scale logits s of a cell:

    ``softmax``: mu_g = L * softmax(s)_g, L the library size; ``softplus``: mu_g = L * softplus(s_g), L a size factor.
    """

    name: str = "zinb"  # zinb, nb, poisson
    mean: str = "softmax"

    @property
    def heads(self) -> int:
        """Blocks of G logits per cell: the scale, and for zinb the dropout."""
        return 2 if self.name == "zinb" else 1
