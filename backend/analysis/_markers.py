"""Which genes tell one group of cells from others (scVI's differential expression).

``markers``, of two groups: options ``groups`` (see ``_cell_groups``), ``one``, ``other`` (names of groups; no other:
the rest), ``delta``; files, one value a gene, the surest first: ``gene`` (text) and each of ``COLUMNS``.
``top_genes``, of every group against all others: options ``groups``, ``per_group``; files ``gene`` (text), ``of`` (its
group), ``fraction`` and ``mean`` (groups x genes; the mean of log(1 + counts per 10,000)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..jobs import OnProgress
from ._cell_groups import Codes, cells_of, codes_of, needed
from ._differential import PerGene, differential, n_samples, raw_statistics
from ._kind import Context, Facts, Kind, Options, Step

if TYPE_CHECKING:
    from scipy import sparse

COLUMNS = (
    "lfc_median", "lfc_mean", "lfc_std", "proba_de", "bayes_factor", "significant", "raw_mean1", "raw_mean2",
    "fraction1", "fraction2", "scale1", "scale2",
)  # fmt: skip
FEWEST = 3  # cells of a group
SAMPLES = 600  # cells of each side: the order of the best genes, not their last digit
MOST_GROUPS = 60
_BLOCK = 2048
_SURE, _SEEN = 0.9, 0.1


def _markers(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(0.0, "loading the model")
    codes, levels = codes_of(context, options["groups"])
    one = cells_of(codes, levels, list(options["one"]))
    other = np.setdiff1d(np.flatnonzero(codes >= 0), one)
    if options["other"]:
        other = np.setdiff1d(cells_of(codes, levels, list(options["other"])), one)
    for cells, which in ((one, "first"), (other, "second")):
        if len(cells) < FEWEST:
            raise BadInput(f"The {which} group has {len(cells)} cells; a comparison needs {FEWEST} or more.")
    samples = n_samples(context.adata.n_vars)
    table = differential(
        context.model,
        one,
        other,
        delta=float(options["delta"]),
        samples=samples,
        progress=lambda done: progress(0.1 + 0.7 * done, "sampling expression from the model"),
    )
    progress(0.85, "counting")
    raw = [raw_statistics(context.adata.X, cells, context.check) for cells in (one, other)]
    found = {
        **{name: table[name].to_numpy(float) for name in COLUMNS if name in table},
        "significant": table["is_de_fdr_0.05"].to_numpy(float),
        "raw_mean1": raw[0][0],
        "raw_mean2": raw[1][0],
        "fraction1": raw[0][1],
        "fraction2": raw[1][1],
    }
    order = np.lexsort((-np.abs(found["lfc_median"]), -found["proba_de"]))
    context.save("gene", np.array(context.adata.var_names[order], dtype=str))
    for name in COLUMNS:
        context.save(name, found[name][order].astype(np.float32))
    return {
        "n_one": len(one),
        "n_other": len(other),
        "samples": samples,
        "delta": float(options["delta"]),
        "n_significant": int(found["significant"].sum()),
    }


def _top_genes(context: Context, options: Options, progress: OnProgress) -> Facts:
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
    fraction, mean = _expression(adata.X, codes, len(levels), np.array(genes, dtype=np.intp), context)
    context.save("gene", np.array(adata.var_names[genes], dtype=str))
    context.save("of", np.array(of))
    context.save("fraction", fraction[wanted])
    context.save("mean", mean[wanted])
    return {"groups": [levels[code] for code in wanted], "codes": wanted, "sizes": sizes[wanted].tolist()}


def best(lfc: PerGene, probability: PerGene, fraction: PerGene, n: int) -> list[int]:
    """The ``n`` genes that are higher in the group most surely, seen in a tenth of its cells, strongest first."""
    fit = np.flatnonzero((lfc > 0) & (probability >= _SURE) & (fraction >= _SEEN))
    if len(fit) < n:
        fit = np.flatnonzero((lfc > 0) & (fraction >= _SEEN))
        return [int(gene) for gene in fit[np.argsort(-probability[fit], kind="stable")][:n]]
    return [int(gene) for gene in fit[np.argsort(-lfc[fit] * fraction[fit], kind="stable")][:n]]


def _expression(
    counts: sparse.csr_matrix, codes: Codes, n_groups: int, genes: npt.NDArray[np.intp], context: Context
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def _needs(options: Options) -> tuple[Step, ...]:
    return needed(options["groups"])


MARKERS = Kind(
    "markers",
    "Marker genes",
    _markers,
    {"groups": {}, "one": [], "other": [], "delta": 0.25},
    needs=_needs,
    weight=3.0,
)
TOP_GENES = Kind(
    "top_genes",
    "Genes that mark each group",
    _top_genes,
    {"groups": {}, "per_group": 4},
    needs=_needs,
    weight=5.0,
)
