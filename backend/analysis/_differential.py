"""scVI's differential expression of two sets of cells, in bounded memory, with progress.

The estimate is scvi-tools' own (``mode="change"``, Boyeau et al. 2019) on a random part of each set: it would decode
every cell of both, cells x genes dense. Raw means and fractions are of all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from scipy import sparse
    from scvi.model import SCVI

# Functions of scvi-tools are wrapped as they are, whatever they take: ``Any``.

Cells = npt.NDArray[np.integer[Any]]  # positions
PerGene = npt.NDArray[np.float64]

VALUES = 30_000_000  # float32 values of one sample, cells x genes
MOST, FEWEST = 2000, 200
_BLOCK = 2048  # cells of a pass over the counts


def n_samples(n_vars: int, most: int = MOST) -> int:
    return int(min(most, max(FEWEST, VALUES // max(1, n_vars))))


def differential(
    model: SCVI,
    one: Cells,
    other: Cells,
    *,
    delta: float,
    samples: int,
    progress: Callable[[float], object],
) -> pd.DataFrame:
    """scvi-tools' table (genes x columns) in the order of the genes. The same cells give the same numbers.

    Parameters
    ----------
    one, other
        Positions of cells.
    delta
        The least log2 fold change that counts as different.
    samples
        Cells drawn from each set, with a sample of the posterior each.
    """
    import torch

    n_obs = model.adata.n_obs
    chance = np.random.default_rng(0)
    drawn = [
        cells if len(cells) <= samples else chance.choice(cells, samples, replace=False)
        for cells in (one, other)
    ]
    masks = [np.isin(np.arange(n_obs), cells) for cells in drawn]
    np.random.seed(0)  # scvi-tools draws from the global generators
    torch.manual_seed(0)
    from scvi import settings

    steps = sum(ceil(len(cells) / settings.batch_size) for cells in drawn)
    with _counted(model.module, steps, progress):
        table = model.differential_expression(
            idx1=masks[0],
            idx2=masks[1],
            mode="change",
            delta=delta,
            n_samples_overall=samples,
            all_stats=False,
            silent=True,
        )
    return table.loc[model.adata.var_names]


def raw_statistics(
    counts: sparse.csr_matrix, cells: Cells, check: Callable[[], None]
) -> tuple[PerGene, PerGene]:
    """Mean count and fraction of cells with any, for each gene, of CSR ``counts``."""
    total, present = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for start in range(0, len(cells), _BLOCK):
        check()
        block = counts[cells[start : start + _BLOCK]]
        total += np.bincount(block.indices, weights=block.data, minlength=counts.shape[1])
        present += np.bincount(block.indices[block.data > 0], minlength=counts.shape[1])
    return total / max(1, len(cells)), present / max(1, len(cells))


@contextmanager
def _counted(module: torch.nn.Module, steps: int, progress: Callable[[float], object]) -> Iterator[None]:
    """Tell ``progress`` of every minibatch that goes through the module; what it raises ends the work."""
    forward, done = module.forward, 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        progress(min(1.0, done / max(1, steps)))
        done += 1
        return forward(*args, **kwargs)

    module.forward = counted
    try:
        yield
    finally:
        del module.forward  # the class's own again
