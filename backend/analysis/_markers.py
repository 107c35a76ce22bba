"""Which genes tell one group of cells from another (scVI's differential expression).

Options: ``groups`` (see ``_cell_groups``), ``one``, ``other`` (names of groups; no other: the rest), ``delta``. Files,
one value a gene, the surest first: ``gene`` (text) and each of ``COLUMNS``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput
from ._cell_groups import cells_of, codes_of, needed
from ._context import Context
from ._differential import differential, n_samples, raw_statistics
from ._kind import Kind, Options, Progress, Step

COLUMNS = (
    "lfc_median", "lfc_mean", "lfc_std", "proba_de", "bayes_factor", "significant", "raw_mean1", "raw_mean2",
    "fraction1", "fraction2", "scale1", "scale2",
)  # fmt: skip
FEWEST = 3  # cells of a group


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
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


def needs(options: Options) -> tuple[Step, ...]:
    return needed(options["groups"])


KIND = Kind(
    "markers",
    "Marker genes",
    perform,
    defaults={"groups": {}, "one": [], "other": [], "delta": 0.25},
    needs=needs,
    weight=3.0,
)
