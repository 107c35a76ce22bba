"""What the kernels take: the counts of one minibatch as CSR arrays, the same by gene, and the likelihood's options."""

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
class GeneOrder:
    """The encoder's input, by gene (CSC). ``sparse_linear`` takes it as well as ``CsrCounts``, which it needs.

    ``indptr`` int64 (G+1,), ``cells`` int32 (nnz,), ``values`` float32 (nnz,).
    """

    indptr: torch.Tensor
    cells: torch.Tensor
    values: torch.Tensor
    n_obs: int

    @property
    def n_vars(self) -> int:
        return self.indptr.numel() - 1

    def by_cell(self) -> CsrCounts:
        """The same by cell, on the same device; reordered on the CPU."""
        genes = torch.repeat_interleave(
            torch.arange(self.n_vars, dtype=torch.int32), self.indptr.cpu().diff()
        )
        cells = self.cells.cpu().long()
        order = cells.argsort(stable=True)
        ends = torch.bincount(cells, minlength=self.n_obs).cumsum(0)
        indptr = torch.cat((ends.new_zeros(1), ends))
        values, device = self.values.cpu()[order], self.values.device
        return CsrCounts(indptr.to(device), genes[order].to(device), values.to(device), self.n_vars)


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
