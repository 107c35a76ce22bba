"""What the name of a column says it is: an experimental batch, a donor, labels of cells, biology, quality control.

A guess by the names that Cell Ranger, Seurat, scanpy, CELLxGENE and people use. The adviser on batches adds what the
values say; lists that preselect a column take the guess. In the table of genes: which column says what each feature
is, and which of them are genes at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Role(StrEnum):
    BATCH = "batch"  # cells that were handled together
    DONOR = "donor"  # a person or animal: also a batch, where there is none closer to the experiment
    LABEL = "label"  # cell types and clusters
    BIOLOGY = "biology"  # what one wants to see, not to remove
    QUALITY = "quality"  # results of quality control and cell cycle
    UNKNOWN = "unknown"


_DONOR = (
    r"^((donor|patient|subject|individual|participant|person|indiv|subj|mouse|animal|ind|embryo|f?o?etus|specimen)"
    r"(_?(id|no|nr|num|number|name|key|code|cov|barcode))?|(case|human|fish|monkey|rat|pig)_?(id|no|nr|num|number))$"
)
# Points by name, the first pattern that fits. Technical names first: what was handled together.
_BATCH: tuple[tuple[str, float], ...] = (
    (r"^(batch|batch_?(id|name|key|label|no|number)?)$", 100),
    (r"^(sample_?(id|name)?|library_?(id|uuid|name)?|orig_?ident|channel|lane|gem_?(group|well)?)$", 90),
    (_DONOR, 85),
    (r"^(dataset_?(id)?|study_?(id)?|experiment_?(id)?|run_?(id)?|plate_?(id)?|chip|flow_?cell)$", 85),
    (r"^(replicate|rep|tech|technology|platform|protocol|assay|method|chemistry|site|cent(er|re)|pool)$", 75),
    (r"batch", 80),
    (r"(sample|donor|patient|indiv|library|replicate|plate|dataset|experiment)", 65),
)
_BIOLOGY = re.compile(
    r"(condition|treat|stim|disease|diagnosis|status|tissue|organ|region|sex|gender|age|stage|time|day|genotype|"
    r"group|dose|strain|ethnicity|perturb|guide)"
)
_LABEL = re.compile(
    r"(cell_?type|celltype|cell_?class|cell_?label|cell_?identity|cell_?state|^cell_?ident$|clust|leiden|louvain|"
    r"^sc_?type|azimuth|single_?r(_|$)|meta_?cell|super_?cell|"
    r"snn_res|nn_res_|^res_\d|lineage|subtype|phenograph|kmeans|majority_voting|^predicted_(id|labels?|celltype))"
)
# Words that labels and batches share: "batch_label" is a batch, "label" is not.
_VAGUE_LABEL = re.compile(r"(label|annot|subset|ident$|^types?$|^classes?$|compartment)")
_QUALITY = re.compile(
    r"(^phase$|cc_?phase|cell_cycle|doublet|singlet|scrublet|^is_|(^|_)pass(ed|es)?(_|$)|filter|outlier|(^|_)qc|predicted)"
)
# Among labels: what somebody called the cells before what an algorithm grouped.
_NAMED_TYPES = (
    r"^cell_?types?$",
    r"cell_?type",
    r"cell_?(class|label|identity|state)",
    r"annot",
    r"label|subtype",
)


def role_of(name: str) -> Role:
    """What a column called ``name`` probably is."""
    plain = plain_name(name)
    if _LABEL.search(plain):
        return Role.LABEL
    if _QUALITY.search(plain):
        return Role.QUALITY
    if re.search(_DONOR, plain):
        return Role.DONOR
    if name_score(name):
        return Role.BATCH
    if _VAGUE_LABEL.search(plain):
        return Role.LABEL
    return Role.BIOLOGY if _BIOLOGY.search(plain) else Role.UNKNOWN


def name_score(name: str) -> float:
    """How much the name sounds like a batch, 0 to 100."""
    plain = plain_name(name)
    return next((score for pattern, score in _BATCH if re.search(pattern, plain)), 0.0)


def likely_labels(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that look like cell types or clusters, the likeliest first."""

    def rank(name: str) -> int:
        plain = plain_name(name)
        found = (i for i, pattern in enumerate(_NAMED_TYPES) if re.search(pattern, plain))
        return next(found, len(_NAMED_TYPES))

    return sorted((name for name in names if role_of(name) is Role.LABEL), key=rank)


_IN_ORDER = re.compile(
    r"(^|_)(time|age|stage|dose|day|week|month|year|hour|hpf|dpf|passage|grade|conc(entration)?)"
)
_MOST_FRAMES = 3  # "day 3": what is left of a level without its numbers, as in "100-130", "> 650"


def follow_each_other(name: str, levels: Sequence[str]) -> bool:
    """Whether ``levels`` are steps of one thing, told by the column's name and a number in each: day 2, day 10."""
    if not _IN_ORDER.search(plain_name(name)) or not levels:
        return False
    known = [level for level in levels if level.strip()]
    frames = {re.sub(r"\d+(\.\d+)?", "", level).strip() for level in known}
    return len(frames) <= _MOST_FRAMES and all(re.search(r"\d", level) for level in known)


def first_number(text: str) -> float:
    """What to sort such levels by: "100-130" by 100, "< 100" before it and "> 650" after 650."""
    found = re.search(r"\d+(\.\d+)?", text)
    number = float(found.group()) if found else float("inf")
    return number - 0.5 * ("<" in text) + 0.5 * (">" in text)


def plain_name(name: str) -> str:
    """``RNA_snn_res.0.8`` -> ``rna_snn_res_0_8``, ``CellType`` -> ``cell_type``."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")


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


_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_short_name", "gene_name", "symbol")


def symbol_column(names: Iterable[str]) -> str | None:
    """Which column of the table of genes has their symbols, where the names of genes are identifiers."""
    there = set(names)
    return next((name for name in _SYMBOLS if name in there), None)
