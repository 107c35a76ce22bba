"""A column of the table of genes that says what each feature is: which of them are genes at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Columns that say what a feature is, and the words that Cell Ranger, Seurat, muon and people use there.
KIND_COLUMNS = ("feature_types", "feature_type", "modality")
GENES = frozenset({"gene expression", "gene", "genes", "rna", "mrna", "gex"})
OTHERS = frozenset(
    {
        "antibody capture", "antibody", "antibodies", "protein", "proteins", "prot", "adt", "cite", "surface protein",
        "crispr guide capture", "crispr guide", "guide capture", "guide", "guides", "grna", "sgrna", "crispr",
        "multiplexing capture", "hashtag", "hashtags", "hto", "cell hashing", "cellplex",
        "peaks", "peak", "chromatin accessibility", "atac", "custom", "antigen capture", "vdj", "metabolite",
    }
)  # fmt: skip


def gene_mask(kinds: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """Which features are genes, by what the file says each of them is; None where it does not tell.

    All False: the file tells, and there are no genes in it.
    """
    plain = [re.sub(r"[\s_-]+", " ", kind).strip().casefold() for kind in kinds]
    known = set(plain)
    if not known & GENES:
        return np.zeros(len(plain), dtype=bool) if known & OTHERS and known <= OTHERS | {""} else None
    return np.array([kind in GENES or not kind for kind in plain], dtype=bool)
