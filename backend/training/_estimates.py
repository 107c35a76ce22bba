"""What a run will take, before it begins: seconds measured on this machine, memory told from the spec.

Memory is that of the program itself, the counts (mapped, but they should stay in memory), the network with its
gradients, Adam's two moments and the kept copy of the last epoch, and the temporaries of one minibatch.
"""

from __future__ import annotations

from ..types import DatasetRef, RunSpec

_BUDGET_SECONDS = 2.0

PROGRAM = 900 * 1024**2  # python, torch, scvi-tools, the server
_FLOAT = 4
_COPIES = 7  # weights, gradients, two moments; weights and moments once more in the kept copy
_MATRICES = {  # cells x genes temporaries alive at the peak of a step; measured
    "zinb": 32,
    "nb": 18,
    "poisson": 10,
}
_MATRICES_FUSED = 10  # the kernels make none of their own, whatever the likelihood


def estimate_memory(spec: RunSpec, dataset: DatasetRef, used: int = 0) -> int:
    """Bytes of the whole program at the peak of training, an upper estimate; ``used`` is what it has already."""
    counts = dataset.nnz * 2 * _FLOAT + (dataset.n_obs + 1) * 8
    hidden, genes = spec.n_hidden, dataset.n_vars
    inner = 2 * max(0, spec.n_layers - 1) * hidden * hidden
    heads = (
        4 if spec.dispersion == "gene-cell" else 3
    )  # encoder in; scale and dropout out; dispersion per cell
    weights = heads * hidden * genes + inner + 3 * hidden * spec.n_latent + 2 * genes
    cells = min(spec.batch_size, dataset.n_obs)
    fused = spec.engine == "fused" and spec.precision == "32-true"  # else it gives way to stock
    matrices = _MATRICES_FUSED if fused else _MATRICES.get(spec.gene_likelihood, 28)
    step = matrices * cells * genes * _FLOAT
    latent = dataset.n_obs * spec.n_latent * _FLOAT * 2
    return max(PROGRAM, used) + counts + _COPIES * weights * _FLOAT + step + latent


def calibrate(spec: RunSpec, n_obs: int, n_vars: int, density: float) -> float:
    """Seconds one epoch of ``spec`` will take on ``n_obs`` cells x ``n_vars`` genes, validation included.

    Measured in a few seconds, on simulated cells of the same width.
    """
    from ._pace import measure_pace

    return measure_pace(spec, n_obs, n_vars, density, _BUDGET_SECONDS)
