"""The genes that mark each group of cells, every group against all others, and how they are expressed in all of them.

Options: ``groups`` (see ``_cell_groups``), ``per_group``. Files: ``gene`` (text), ``of`` (its group), ``fraction`` and
``mean`` (groups x genes; the mean of log(1 + counts per 10,000)).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput
from ._cell_groups import codes_of, needed
from ._context import Context
from ._differential import differential, n_samples, raw_statistics
from ._kind import Kind, Options, Progress, Step
from ._markers import FEWEST

SAMPLES = 600  # cells of each side: the order of the best genes, not their last digit
MOST_GROUPS = 60
_BLOCK = 2048
_SURE, _SEEN = 0.9, 0.1


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    progress(0.0, "loading the model")
    codes, levels = codes_of(context, options["groups"])
    sizes = np.bincount(codes[codes >= 0], minlength=len(levels))
    wanted = [code for code in range(len(levels)) if sizes[code] >= FEWEST]
    if not 2 <= len(wanted) <= MOST_GROUPS:
        raise BadInput(f"This compares 2 to {MOST_GROUPS} groups; here are {len(wanted)} with enough cells.")
    adata, model = context.adata, context.model
    samples = n_samples(adata.n_vars, SAMPLES)
    genes: list[int] = []
    of: list[int] = []
    for done, code in enumerate(wanted):
        inside, outside = np.flatnonzero(codes == code), np.flatnonzero((codes >= 0) & (codes != code))

        def tell(part: float, done: int = done, code: int = code) -> None:
            progress((done + part) / len(wanted) * 0.9, f"group {done + 1} of {len(wanted)}")

        table = differential(model, inside, outside, delta=0.25, samples=samples, progress=tell)
        fraction = raw_statistics(adata.X, inside, context.check)[1]
        for gene in best(
            table["lfc_median"].to_numpy(), table["proba_de"].to_numpy(), fraction, options["per_group"]
        ):
            if gene not in genes:
                genes.append(gene)
                of.append(code)
    progress(0.92, "how they are expressed")
    fraction, mean = expression(adata.X, codes, len(levels), np.array(genes, dtype=int), context)
    context.save("gene", np.array(adata.var_names[genes], dtype=str))
    context.save("of", np.array(of))
    context.save("fraction", fraction[wanted])
    context.save("mean", mean[wanted])
    return {"groups": [levels[code] for code in wanted], "codes": wanted, "sizes": sizes[wanted].tolist()}


def best(lfc: np.ndarray, probability: np.ndarray, fraction: np.ndarray, n: int) -> list[int]:
    """The ``n`` genes that are higher in the group most surely, seen in a tenth of its cells, strongest first."""
    fit = np.flatnonzero((lfc > 0) & (probability >= _SURE) & (fraction >= _SEEN))
    if len(fit) < n:
        fit = np.flatnonzero((lfc > 0) & (fraction >= _SEEN))
        return [int(gene) for gene in fit[np.argsort(-probability[fit], kind="stable")][:n]]
    return [int(gene) for gene in fit[np.argsort(-lfc[fit] * fraction[fit], kind="stable")][:n]]


def expression(
    counts: Any, codes: np.ndarray, n_groups: int, genes: np.ndarray, context: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of cells with any count, and mean log(1 + counts per 10,000): each groups x genes."""
    fraction, mean = np.zeros((n_groups, len(genes))), np.zeros((n_groups, len(genes)))
    for start in range(0, counts.shape[0], _BLOCK):
        context.check()
        block = counts[start : start + _BLOCK]
        total = np.asarray(block.sum(axis=1)).ravel()
        chosen = block[:, genes].toarray()
        logged = np.log1p(chosen * (1e4 / np.maximum(total, 1))[:, None])
        group = codes[start : start + _BLOCK]
        for code in np.unique(group[group >= 0]):
            fraction[code] += (chosen[group == code] > 0).sum(axis=0)
            mean[code] += logged[group == code].sum(axis=0)
    sizes = np.maximum(np.bincount(codes[codes >= 0], minlength=n_groups), 1)[:, None]
    return fraction / sizes, mean / sizes


def needs(options: Options) -> tuple[Step, ...]:
    return needed(options["groups"])


KIND = Kind(
    "top_genes",
    "Genes that mark each group",
    perform,
    defaults={"groups": {}, "per_group": 4},
    needs=needs,
    weight=5.0,
)
