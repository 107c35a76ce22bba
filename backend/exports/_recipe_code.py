"""A ``Recipe`` as Python code, in parts that a script prints one below the other and a notebook as cells.

Names that come from data enter the code as Python literals and nowhere else.
"""

from __future__ import annotations

import base64
import json
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..columns import GENES, KIND_COLUMNS
from ..types import Notice, RunSpec, find_notice, settings_of
from ..words import count, counted, sentence
from ._recipe import Recipe
from ._recipe_training import can_be_fused, given, training

_WIDTH = 100
_READABLE = 300  # names of genes; beyond, the list would bury the code
PACKAGES = ("scvi-tools", "torch", "anndata", "numpy")


@dataclass(frozen=True, slots=True)
class Part:
    title: str
    words: str  # what it does and why, in a sentence or two, without any name from the data
    code: str


def parts(recipe: Recipe, *, notebook: bool) -> list[Part]:
    return [
        _start(recipe, notebook),
        _counts(recipe),
        _prepare(recipe),
        *_selection(recipe),
        _split(recipe),
        _model(recipe),
        Part("Training", *training(recipe, notebook)),
        _compare(recipe),
        _save(recipe),
        *([_curve()] if notebook else []),
    ]


def _start(recipe: Recipe, notebook: bool) -> Part:
    uses_scanpy = recipe.container in ("10x", "demo")
    lines = [
        *(["import sys", ""] if not notebook else []),
        "import anndata as ad",
        "import numpy as np",
        *(["import pandas as pd"] if recipe.dataset.prepare.fill_missing else []),
        *(["import scanpy as sc"] if uses_scanpy else []),
        "import scvi",
        *(["import torch"] if recipe.threads or _needs_torch(recipe.record.spec) else []),
        "from scipy import sparse",
        "",
    ]
    if not notebook and recipe.container != "demo":
        lines += ['arguments = [one for one in sys.argv[1:] if one != "--fused"]']
    if recipe.container != "demo":
        name = repr(recipe.input_name)
        given = f"arguments[0] if arguments else {name}"
        lines += [f"INPUT = {name if notebook else given}  # the file the run was trained on"]
    if can_be_fused(recipe):
        chosen = "False" if notebook else '"--fused" in sys.argv'
        lines += [f"FUSED = {chosen}  # True: trains with scvi_studio.train"]
    if recipe.threads:
        lines += [
            f"torch.set_num_threads({recipe.threads})  # sums over another number of threads round otherwise"
        ]
    wanted = {name: recipe.record.environment[name] for name in PACKAGES if name in recipe.record.environment}
    lines += [
        "",
        f"VERSIONS = {wanted!r}",
        "from importlib.metadata import version",
        "for package, trained_with in VERSIONS.items():",
        "    if version(package) != trained_with:",
        '        print(f"Note: {package} is {version(package)}, the run used {trained_with}: "',
        '              "numbers may differ slightly.")',
    ]
    return Part("Libraries and input", "The run is repeated with scvi-tools alone.", "\n".join(lines))


def _counts(recipe: Recipe) -> Part:
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


def _prepare(recipe: Recipe) -> Part:
    prepare = recipe.dataset.prepare
    words = "Counts as sparse float32."
    lines = [
        *_as_float32(recipe),
        "counts.sum_duplicates()",
        "counts.eliminate_zeros()",
    ]
    if prepare.min_cells_per_gene:
        words += f" Genes seen in fewer than {prepare.min_cells_per_gene} cells are left out."
        lines += [f"genes = counts.getnnz(axis=0) >= {prepare.min_cells_per_gene}"]
    else:
        lines += ["genes = np.ones(counts.shape[1], dtype=bool)  # all of them"]
    words += " Cells without any count are left out: scVI would take the logarithm of zero."
    lines += [
        "cells = counts[:, genes].getnnz(axis=1) > 0",
        "adata = ad.AnnData(counts, obs=adata.obs, var=adata.var)[cells, genes].copy()",
    ]
    if prepare.make_names_unique:
        lines += ["adata.obs_names_make_unique()", "adata.var_names_make_unique()"]
    if prepare.fill_missing:
        words += ' Missing values in columns that training uses become a level of their own, "unknown".'
        lines += ["", _filled(prepare.fill_missing)]
    return Part("Cells and genes", words, "\n".join(lines))


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


def _selection(recipe: Recipe) -> list[Part]:
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


def _split(recipe: Recipe) -> Part:
    dataset, spec = recipe.dataset, recipe.record.spec
    lines = [
        f"assert adata.shape == ({dataset.n_obs}, {dataset.n_vars}), adata.shape",
        f"assert adata.X.nnz == {dataset.nnz}, adata.X.nnz",
        "",
    ]
    if recipe.split is None:
        lines += [f"order = np.random.RandomState({spec.seed}).permutation(adata.n_obs)"]
        how = "drawn as scvi-tools draws them."
    else:
        train, validation, rest = recipe.split
        lines += [_packed(np.concatenate([validation, train, rest]), "order")]
        how = "the run's own list."
    n_validation, n_train = recipe.course.n_validation, recipe.course.n_train
    stops = [n_validation, n_validation + n_train]
    lines += [f"validation, train, left_out = np.split(order, {stops})"]
    words = f"{counted(n_train, 'cell')} train, {count(n_validation)} validate: {how}"
    return Part("Training and validation cells", words, "\n".join(lines))


def _model(recipe: Recipe) -> Part:
    spec = recipe.record.spec
    lines = [
        f"scvi.settings.seed = {spec.seed}",
        "scvi.model.SCVI.setup_anndata(",
        "    adata,",
        *(f"    {name}={value!r}," for name, value in given(spec, "setup_anndata").items()),
        ")",
        "model = scvi.model.SCVI(",
        "    adata,",
        *(f"    {name}={value!r}," for name, value in given(spec, "SCVI").items()),
        ")",
    ]
    lines += _start_code(spec).splitlines()
    words = "The seed is set before the model is built, because its first weights are drawn at random."
    return Part("The model", words, "\n".join(lines))


def _compare(recipe: Recipe) -> Part:
    losses = {name: value for name, (_, value) in recipe.expected.items()}
    lines = ["latent = model.get_latent_representation()", ""]
    for name, (epoch, _) in recipe.expected.items():
        lines += [f'{name} = float(model.history["{name}"].loc[{epoch - 1}].iloc[0])  # epoch {epoch}']
    for name, value in losses.items():
        label = name.replace("_", " ")
        lines += [f'print(f"{label}: {{{name}:.6f}}, in the run {value:.6f}")']
    row = textwrap.fill(
        ", ".join(f"{value:.9g}" for value in recipe.first_cell), _WIDTH - 4, initial_indent="    ",
        subsequent_indent="    ",
    )  # fmt: skip
    lines += [
        "FIRST_CELL = np.array([",
        row,
        "], dtype=np.float32)  # latent coordinates of the first cell in the run",
        'print(f"largest difference in the first cell\'s latent coordinates: "',
        '      f"{np.abs(latent[0] - FIRST_CELL).max():.2g}")',
    ]
    return Part("The same numbers?", "What the run ended at, beside what came out here.", "\n".join(lines))


def _save(recipe: Recipe) -> Part:
    lines = [
        'adata.obsm["X_scVI"] = latent',
        'adata.write_h5ad("reproduced.h5ad")',
        'model.save("reproduced_model", overwrite=True)',
    ]
    return Part("Results", "The cells with their latent space, and the model.", "\n".join(lines))


def _curve() -> Part:
    lines = [
        'losses = model.history["train_loss"].join(model.history["validation_loss"])',
        'losses.astype(float).plot(xlabel="epoch", ylabel="negative ELBO per cell (nats)");',
    ]
    return Part("The loss curve", "Lower is better; scvi-tools logs the negative ELBO.", "\n".join(lines))


# --- what only some runs need ---


def _needs_torch(spec: RunSpec) -> bool:
    return spec.norm_recalibration or bool(_start_code(spec))


def _start_code(spec: RunSpec) -> str:
    """Code that changes the untrained ``model``; empty where scvi-tools' own start was taken."""
    lines: list[str] = []
    if spec.norm_momentum != settings_of(RunSpec)["norm_momentum"].default:
        lines += [
            "",
            "for layer in model.module.modules():",
            "    if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):",
            f"        layer.momentum = {spec.norm_momentum!r}  # of the running averages",
        ]
    if spec.output_start == "gene_means":
        lines += [
            "",
            "# the output begins at each gene's share of all counts of the training cells (20,000 of them)",
            "totals = np.zeros(adata.n_vars)",
            "for first in range(0, len(train[:20_000]), 1000):",
            "    some = np.sort(train[:20_000][first : first + 1000])",
            "    totals += np.asarray(adata.X[some].sum(axis=0)).ravel()",
            "logarithms = np.log(totals + 0.5)",
            "with torch.no_grad():",
            "    model.module.decoder.px_scale_decoder[0].bias.copy_(",
            "        torch.from_numpy((logarithms - logarithms.mean()).astype(np.float32))",
            "    )",
        ]
    return "\n".join(lines)


# --- data inside code ---


def _genes(names: Sequence[str], positions: Sequence[int]) -> str:
    """Code that defines ``GENES``."""
    if not names:
        return _packed(np.array(positions), "GENES") + "  # positions, because some genes share a name"
    if len(names) <= _READABLE:
        lines = textwrap.wrap(
            ", ".join(repr(name).replace(" ", "\0") for name in names),
            _WIDTH - 4,
            break_long_words=False,
            break_on_hyphens=False,
        )
        listed = "\n".join(f"    {line}" for line in lines).replace("\0", " ")
        return f"GENES = [\n{listed}\n]"
    text = _base64(json.dumps(list(names)).encode())
    return (
        "import base64, json, zlib\n\n"
        f"# {counted(len(names), 'name')}, packed to keep this file short; print(GENES) shows them\n"
        f'GENES = json.loads(zlib.decompress(base64.b64decode("""\n{text}\n""")))'
    )


def _packed(numbers: npt.NDArray[np.integer[Any]], name: str) -> str:
    """Code that defines an array of whole numbers."""
    text = _base64(numbers.astype("<i4").tobytes())
    return (
        "import base64, zlib\n\n"
        f'{name} = np.frombuffer(zlib.decompress(base64.b64decode("""\n{text}\n""")), "<i4").astype(int)'
    )


def _base64(data: bytes) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(zlib.compress(data, 9)).decode(), _WIDTH))


def _filled(columns: Sequence[str]) -> str:
    """Code that gives missing values of some obs columns the level "unknown"."""
    return f"""\
def words(column):
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # 1, not 1.0
        return column.map(lambda value: f"{{value:.0f}}")
    return column.astype(object).map(str)

for name in {list(columns)!r}:
    column = adata.obs[name]
    text = words(column)
    missing = column.isna() | text.str.strip().isin(["", "nan", "NaN", "NA", "N/A", "<NA>", "None", "null"])
    adata.obs[name] = pd.Categorical(text.mask(missing, "unknown"))"""


def _demo_counts() -> str:
    return """\
adata = sc.datasets.pbmc68k_reduced()
raw = sparse.csr_matrix(adata.raw.X)
scale = np.repeat(adata.obs["n_counts"].to_numpy(np.float64), np.diff(raw.indptr)) / 1e4
raw.data = np.rint(np.expm1(raw.data.astype(np.float64)) * scale)
adata.obs["channel"] = [f"channel {name.rsplit('-', 1)[-1]}" for name in adata.obs_names]
adata = ad.AnnData(raw, obs=adata.obs, var=adata.var)"""
