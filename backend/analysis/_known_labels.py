"""Do clusters and neighbours know the labels that the cells came with?

File ``table`` (clusters x levels of the label, cells in each). Facts: ``ari`` (adjusted Rand index of the clusters
with the labels, Hubert and Arabie 1985: 1 the same, 0 as by chance), ``same_label`` (of a cell's 15 nearest
neighbours, the share with its label), ``chance_label``, ``levels``. Cells without a label are left out of all of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput
from ._cell_groups import chosen_column
from ._context import Context
from ._graph import nearest
from ._kind import Kind, Options, Progress, Step
from ._mixing import chance, same_share

NEIGHBOURS = 15


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score

    if not options["label"]:
        raise BadInput("Choose the column that says what a cell is.")
    label = chosen_column(context.adata.obs, options["label"])
    codes, levels = label.codes, label.levels
    if len(levels) < 2:
        raise BadInput("This column has one value only, so there is nothing to compare with.")
    progress(None, "comparing clusters with labels")
    points = np.ascontiguousarray(context.latent, dtype=np.float32)
    indices, _ = nearest(points, min(NEIGHBOURS + 1, len(points) - 1), context.threads)
    clusters = np.asarray(context.result("leiden", resolution=options["resolution"]).array("labels"))
    known = codes >= 0
    table = np.zeros((int(clusters.max()) + 1, len(levels)), np.int64)
    np.add.at(table, (clusters[known], codes[known]), 1)
    context.save("table", table)
    return {
        "ari": float(adjusted_rand_score(codes[known], clusters[known])),
        "same_label": same_share(indices, codes),
        "chance_label": chance(codes),
        "levels": list(levels),
        "n_clusters": len(table),
        "n_unknown": int((~known).sum()),
    }


def needs(options: Options) -> tuple[Step, ...]:
    return (("leiden", {"resolution": options["resolution"]}),)


KIND = Kind(
    "known_labels",
    "Clusters against labels",
    perform,
    {"label": None, "resolution": 1.0},
    needs=needs,
    separate=True,
    weight=0.3,
)
