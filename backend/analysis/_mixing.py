"""How well batches mix and labels stay apart among nearest neighbours: without scVI (PCA) and with it.

Facts, for ``before`` and ``after``: ``same_batch`` (share of a cell's nearest neighbours, ``n_others`` of them, from
its own batch), ``entropy`` (of the batches among them and the cell: 0 unmixed, 1 as mixed as the whole),
``same_label``; ``ilisi`` of the batches and ``clisi`` of the labels, both scaled so that 1 is best. And what chance
would give.
"""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from ..jobs import OnProgress
from ._cell_groups import Codes, chosen_column
from ._graph import Indices
from ._kind import Context, Facts, Kind, Options, Step
from ._lisi import around_cells, clisi, ilisi, lisi


def _mixing(context: Context, options: Options, progress: OnProgress) -> Facts:
    batch = few_codes(context, options["batch"]) if options["batch"] else None
    label = few_codes(context, options["label"]) if options["label"] else None
    facts: Facts = {}
    for part, kind in (("before", "before"), ("after", "neighbours")):
        progress(None, "counting neighbours")
        indices = np.asarray(context.result(kind).array("indices"))
        around = around_cells(context.latent if part == "after" else context.result("before").array("pcs"))
        facts[part] = {}
        facts["n_others"] = indices.shape[1] - 1
        if batch is not None:
            facts[part] |= {
                "same_batch": same_share(indices, batch),
                "entropy": mixing_entropy(indices, batch),
                "ilisi": ilisi(lisi(*around, batch), int(batch.max()) + 1),
            }
        if label is not None:
            facts[part] |= {
                "same_label": same_share(indices, label),
                "clisi": clisi(lisi(*around, label), int(label.max()) + 1),
            }
    if batch is not None:
        facts["chance_batch"] = chance(batch)
        facts["n_batches"] = int(batch.max()) + 1
    if label is not None:
        facts["chance_label"] = chance(label)
    return facts


def same_share(indices: Indices, codes: Codes) -> float:
    """Of neighbours with a code, the share with the code of the cell, over all cells with one.

    Neighbours without a code are left out: where many cells have none, chance would otherwise look better than it is.
    """
    known = np.flatnonzero(codes >= 0)
    around = codes[indices[known, 1:]]
    return float((around == codes[known, None]).sum() / max(1, (around >= 0).sum()))


def chance(codes: Codes) -> float:
    """``same_share`` were the cells mixed at random."""
    sizes = np.bincount(codes[codes >= 0]).astype(float)
    n = sizes.sum()
    return float((sizes * (sizes - 1)).sum() / max(1.0, n * (n - 1)))


def mixing_entropy(indices: Indices, codes: Codes) -> float:
    """Mean entropy of the codes around a cell, itself included, over what a random draw from all cells has.

    Both are of draws of the same number of cells, so that few neighbours and many batches do not look unmixed.
    """
    n_codes, k = int(codes.max()) + 1, indices.shape[1]
    random = np.random.default_rng(0).integers(0, len(codes), size=(min(len(codes), 5000), k))
    return _entropy(codes[indices], n_codes) / max(_entropy(codes[random], n_codes), 1e-12)


def _entropy(around: Codes, n_codes: int) -> float:
    total = np.zeros(len(around))
    n = (around >= 0).sum(axis=1)
    for code in range(n_codes):
        share = (around == code).sum(axis=1) / np.maximum(n, 1)
        total -= np.where(share > 0, share * np.log(np.maximum(share, 1e-12)), 0.0)
    return float(total.mean())


def few_codes(context: Context, name: str) -> Codes:
    """A column of 2 to 1,000 values as one code a cell, -1 where there is none."""
    column = chosen_column(context.adata.obs, name)
    if not 2 <= column.n_levels <= 1000:
        raise BadInput(f"The column {name!r} has {column.n_levels} values; comparing needs 2 to 1,000.")
    return column.codes


def _needs(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {}), ("before", {}))


MIXING = Kind(
    "mixing",
    "Before and after",
    _mixing,
    {"batch": None, "label": None},
    needs=_needs,
    separate=True,
    weight=0.3,
    version=2,
)
