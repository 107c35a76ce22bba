"""From the file that was brought to the cells a run was trained on, as Python code: the first parts of a ``Recipe``.

Names that come from data enter the code as Python literals and nowhere else.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import numpy as np

from ..columns import GENES, KIND_COLUMNS
from ..quality import PATTERNS, filters_cells, rules_source
from ..types import Notice, PrepareSpec, find_notice, settings_of
from ..words import count, counted, sentence
from ._recipe import Recipe
from ._recipe_part import WIDTH, Part, base64_lines, packed

_READABLE = 300  # names of genes; beyond, the list would bury the code


def counts_part(recipe: Recipe) -> Part:
    if recipe.container == "demo":
        return Part(
            "Raw counts",
            "The built-in cells come with scanpy, as logarithms of normalised counts that were rounded to three "
            "decimals; only one whole number fits each of them, so the counts can be had back exactly.",
            _demo_counts(),
        )
    where = recipe.dataset.prepare.counts
    if recipe.container == "10x":
        read = ["adata = sc.read_10x_h5(INPUT)  # gene expression only, as in the run"]
        return Part("Raw counts", "A file of 10x Genomics holds counts as they are.", "\n".join(read))
    lines = [
        "adata = ad.read_h5ad(INPUT)",
        "# a file downloaded from the run's page says itself where its counts are",
        f'where = adata.uns.get("scvi_studio", {{}}).get("counts_in", {where!r})',
        'if where == "raw/X":',
        "    adata = adata.raw.to_adata()",
        'elif where.startswith("layers/"):',
        '    adata.X = adata.layers[where.removeprefix("layers/")]',
    ]
    notices, words = recipe.dataset.notices, "scVI models counts, so the matrix with the raw counts is taken."
    if find_notice(notices, "read_as_latin_1", "unreadable_left_out"):
        words += (
            " Parts of the file that was brought are unusual, and anndata may refuse it. The h5ad file of the run's "
            "page works in its place."
        )
    if find_notice(notices, "other_features_left_out"):
        words += " Of its features, only genes are kept."
        lines += ["", *_GENES_ONLY]
    if renamed := find_notice(notices, "columns_renamed"):
        pairs = dict(zip(_texts(renamed, "old"), _texts(renamed, "new"), strict=True))
        lines += ["", f"adata.obs = adata.obs.rename(columns={pairs!r})"]
    return Part("Raw counts", words, "\n".join(lines))


_GENES_ONLY = (
    f"kinds = next(adata.var[name] for name in {KIND_COLUMNS!r} if name in adata.var)",
    'kinds = kinds.astype(str).str.replace(r"[\\s_-]+", " ", regex=True).str.strip().str.casefold()',
    f"adata = adata[:, kinds.isin({sorted(GENES)!r})].copy()",
)


def _texts(notice: Notice, name: str) -> list[str]:
    value = notice.params[name]
    assert isinstance(value, list)
    return [str(one) for one in value]


def prepare_part(recipe: Recipe) -> Part:
    prepare = recipe.dataset.prepare
    words = "Counts as sparse float32."
    lines = [
        *_as_float32(recipe),
        "counts.sum_duplicates()",
        "counts.eliminate_zeros()",
    ]
    kept, rows = "", "counts"
    if filters_cells(prepare):
        words += " Quality control keeps the cells within the limits of the run."
        lines += ["", *_quality_control(recipe), ""]
        kept, rows = "keep & ", "counts[keep]"
    if prepare.min_cells_per_gene:
        words += f" Genes seen in fewer than {prepare.min_cells_per_gene} cells are left out."
        lines += [f"genes = {rows}.getnnz(axis=0) >= {prepare.min_cells_per_gene}"]
    else:
        lines += ["genes = np.ones(counts.shape[1], dtype=bool)  # all of them"]
    words += " Cells without any count are left out: scVI would take the logarithm of zero."
    lines += [
        f"cells = {kept}(counts[:, genes].getnnz(axis=1) > 0)",
        "adata = ad.AnnData(counts, obs=adata.obs, var=adata.var)[cells, genes].copy()",
    ]
    if prepare.make_names_unique:
        lines += ["adata.obs_names_make_unique()", "adata.var_names_make_unique()"]
    if prepare.fill_missing:
        words += ' Missing values in columns that training uses become a level of their own, "unknown".'
        lines += ["", *([] if _judges_samples(prepare) else [_WORDS]), _filled(prepare.fill_missing)]
    return Part("Cells and genes", words, "\n".join(lines))


def _judges_samples(prepare: PrepareSpec) -> bool:
    return prepare.max_mads is not None and prepare.qc_sample_key is not None


def needs_words(prepare: PrepareSpec) -> bool:
    return bool(prepare.fill_missing) or _judges_samples(prepare)


def _quality_control(recipe: Recipe) -> list[str]:
    """Code that defines ``keep``: the cells within the limits."""
    prepare = recipe.dataset.prepare
    told = find_notice(recipe.dataset.notices, "cells_filtered")
    lines = [
        *([f"# {sentence(told)}"] if told else []),
        *(
            [packed(np.array(recipe.doublets, int), "DOUBLETS")]
            if prepare.max_doublet_score is not None
            else []
        ),
        *([rules_source()] if prepare.max_mads is not None else []),
        *([_WORDS] if _judges_samples(prepare) else []),
        "keep = np.ones(counts.shape[0], dtype=bool)",
    ]
    limits = _limits(prepare, str(told.params["symbols"]) if told else "", recipe.doublets)
    if recipe.container != "h5ad":
        return [*lines, *limits]
    return [
        *lines,
        "# in the h5ad of the run's page these cells are gone already",
        'made = adata.uns.get("scvi_studio", {}).get("dataset", {})',
        f'if made.get("source_id") != {recipe.dataset.source_id!r}:',
        *(f"    {line}" for line in limits),
    ]


def _limits(prepare: PrepareSpec, symbols: str, doublets: Sequence[int]) -> list[str]:
    lines = [
        "exact = counts.astype(np.float64)",
        "total = np.asarray(exact.sum(axis=1)).ravel()",
        "detected = exact.getnnz(axis=1)",
    ]
    if prepare.max_pct_mt is not None or prepare.max_mads is not None:
        names = f"adata.var[{symbols!r}]" if symbols else "adata.var_names"
        lines += [
            "import re",
            f"MITOCHONDRIAL = {PATTERNS['mt']!r}",
            f"mt = np.array([bool(re.match(MITOCHONDRIAL, str(name), re.IGNORECASE)) for name in {names}])",
            "pct_mt = 100 * np.asarray(exact[:, mt].sum(axis=1)).ravel() / np.maximum(total, 1e-300)",
        ]
    for name, values, compared in (
        ("min_counts", "total", ">="),
        ("max_counts", "total", "<="),
        ("min_genes", "detected", ">="),
        ("max_genes", "detected", "<="),
        ("max_pct_mt", "pct_mt", "<="),
    ):
        limit = getattr(prepare, name)
        if limit != settings_of(PrepareSpec)[name].default:
            lines += [f"keep &= {values} {compared} {limit!r}"]
    if prepare.max_mads is not None:
        key = prepare.qc_sample_key
        samples = (
            f"pd.factorize(words(adata.obs[{key!r}], None))[0]" if key else "np.zeros(len(total), dtype=int)"
        )
        lines += [
            f"samples = {samples}",
            *(
                f"keep &= ~outliers({values}, samples, {prepare.max_mads!r}{only})"
                for values, only in (
                    ("np.log1p(total)", ""),
                    ("np.log1p(detected)", ""),
                    ("pct_mt", ", above_only=True"),
                )
            ),
        ]
    if prepare.max_doublet_score is not None:
        words = f"scored above {prepare.max_doublet_score:g} by Scrublet; listed, not scored anew"
        lines += [f"keep[DOUBLETS] = False  # {counted(len(doublets), 'cell')} {words}"]
    return lines


def _as_float32(recipe: Recipe) -> list[str]:
    rounded = find_notice(recipe.dataset.notices, "values_rounded", "fractions_rounded")
    if not (rounded or recipe.dataset.prepare.round_counts):
        return ["counts = sparse.csr_matrix(adata.X).astype(np.float32)"]
    return [
        "counts = sparse.csr_matrix(adata.X)",
        f"counts.data = np.rint(counts.data)  # {sentence(rounded)}"
        if rounded
        else "counts.data = np.rint(counts.data)",
        "counts = counts.astype(np.float32)",
    ]


def selection_parts(recipe: Recipe) -> list[Part]:
    if not recipe.genes and not recipe.gene_positions:
        return []
    how = find_notice(recipe.dataset.notices, "genes_selected", "all_genes_kept")
    words = (
        f"The run was trained on {count(recipe.dataset.n_vars)} highly variable genes. They are listed, not chosen "
        "anew, so that another version of a library cannot choose others."
    )
    lines = [f"# {sentence(how)}"] if how else []
    lines += [_genes(recipe.genes, recipe.gene_positions), "adata = adata[:, GENES].copy()"]
    if recipe.lost_cells:
        lines += [
            "ad.settings.remove_unused_categories = False  # a level that loses all its cells is still counted",
            "adata = adata[adata.X.getnnz(axis=1) > 0].copy()  # cells without counts in these genes",
        ]
    return [Part("Selected genes", words, "\n".join(lines))]


def _genes(names: Sequence[str], positions: Sequence[int]) -> str:
    """Code that defines ``GENES``."""
    if not names:
        return packed(np.array(positions), "GENES") + "  # positions, because some genes share a name"
    if len(names) <= _READABLE:
        lines = textwrap.wrap(
            ", ".join(repr(name).replace(" ", "\0") for name in names),
            WIDTH - 4,
            break_long_words=False,
            break_on_hyphens=False,
        )
        listed = "\n".join(f"    {line}" for line in lines).replace("\0", " ")
        return f"GENES = [\n{listed}\n]"
    text = base64_lines(json.dumps(list(names)).encode())
    return (
        "import base64, json, zlib\n\n"
        f"# {counted(len(names), 'name')}, packed to keep this file short; print(GENES) shows them\n"
        f'GENES = json.loads(zlib.decompress(base64.b64decode("""\n{text}\n""")))'
    )


def _filled(columns: Sequence[str]) -> str:
    """Code that gives missing values of some obs columns the level "unknown"."""
    return f"""\
for name in {list(columns)!r}:
    adata.obs[name] = pd.Categorical(words(adata.obs[name], "unknown"))"""


_WORDS = """\
def words(column, filler):
    text = column.astype(object).map(str)
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # 1, not 1.0
        text = column.map(lambda value: f"{value:.0f}")
    missing = column.isna() | text.str.strip().isin(["", "nan", "NaN", "NA", "N/A", "<NA>", "None", "null"])
    return text.mask(missing, filler)

"""


def _demo_counts() -> str:
    return """\
adata = sc.datasets.pbmc68k_reduced()
raw = sparse.csr_matrix(adata.raw.X)
scale = np.repeat(adata.obs["n_counts"].to_numpy(np.float64), np.diff(raw.indptr)) / 1e4
raw.data = np.rint(np.expm1(raw.data.astype(np.float64)) * scale)
adata.obs["channel"] = [f"channel {name.rsplit('-', 1)[-1]}" for name in adata.obs_names]
adata = ad.AnnData(raw, obs=adata.obs, var=adata.var)"""
