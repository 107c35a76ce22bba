"""What a run will take, before it begins: seconds measured on this machine, memory told from the spec.

Memory is that of the program itself, the counts (mapped, but they should stay in memory), the network with its
gradients, Adam's two moments and the kept copy of the last epoch, and the temporaries of one minibatch.
"""

from __future__ import annotations

from typing import Protocol

from ..types import Pace, RunSpec

_BUDGET_SECONDS = 2.0

PROGRAM = 900 * 1024**2  # python, torch, scvi-tools, the server
OVERHEAD = 128 * 1024**2  # of any training within it: loaders, callbacks, what the allocator cannot use again
_FLOAT = 4  # bytes
# Cells x genes temporaries alive at the peak of a step; measured as resident memory over minibatch sizes (scvi-tools
# 1.4.2, torch 2.13). The kernels make none but the logits, one block of G for each head.
_STOCK = {"zinb": 40, "nb": 30, "poisson": 14}
_TORCH = {"zinb": 23, "nb": 16, "poisson": 7}  # the fused engine on an accelerator
_KERNELS = {"zinb": 4, "nb": 2, "poisson": 2}
_HEADS = {"zinb": 2, "nb": 1, "poisson": 1}
_THETA = 4  # more where theta is no single row
# Of the weights: themselves, gradients, two moments; weights and moments once more in the kept copy. The fused engine
# lays them out anew, and its kept copy is made beside the one before.
_COPIES = {"stock": 7, "fused": 12}


class Counts(Protocol):
    """A prepared data set, or a matrix that may become one."""

    @property
    def n_obs(self) -> int: ...
    @property
    def n_vars(self) -> int: ...
    @property
    def nnz(self) -> int: ...


def estimate_memory(spec: RunSpec, dataset: Counts, used: int = 0) -> int:
    """Bytes of the whole program at the peak of training, an upper estimate; ``used`` is what it has already.

    The number of genes is that of ``dataset``: what is left after a selection.
    """
    counts = dataset.nnz * 2 * _FLOAT + (dataset.n_obs + 1) * 8
    hidden, genes = spec.n_hidden, dataset.n_vars
    inner = 2 * max(0, spec.n_layers - 1) * hidden * hidden
    per_cell = spec.dispersion == "gene-cell"
    heads = 4 if per_cell else 3  # encoder in; scale and dropout out; dispersion per cell
    weights = heads * hidden * genes + inner + 3 * hidden * spec.n_latent + 2 * genes
    cells = min(spec.batch_size, dataset.n_obs)
    engine = "stock" if per_cell else spec.engine  # the fused one gives way
    step = _matrices(spec, engine) * cells * genes * _FLOAT
    latent = dataset.n_obs * spec.n_latent * _FLOAT * 2
    return max(PROGRAM, used + OVERHEAD) + counts + _COPIES[engine] * weights * _FLOAT + step + latent


def _matrices(spec: RunSpec, engine: str) -> int:
    """Temporaries of one step, each of cells x genes float32."""
    likelihood = spec.gene_likelihood
    if engine == "stock":  # autocast narrows the products alone, so bfloat16 saves next to nothing
        return _STOCK[likelihood] + (0 if spec.dispersion == "gene" else _THETA)
    rounded = _HEADS[likelihood] if spec.precision == "bf16-mixed" else 0
    return (_KERNELS if spec.accelerator == "cpu" else _TORCH)[likelihood] + rounded


def calibrate(spec: RunSpec, n_obs: int, n_vars: int, density: float) -> Pace:
    """What ``spec`` will take on ``n_obs`` cells x ``n_vars`` genes.

    Measured in a few seconds, on simulated cells of the same width.
    """
    from ._pace import measure_pace

    return measure_pace(spec, n_obs, n_vars, density, _BUDGET_SECONDS)
