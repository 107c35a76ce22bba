"""A ``Recipe`` as Python code, in parts that a script prints one below the other and a notebook as cells.

Names that come from data enter the code as Python literals and nowhere else.
"""

from __future__ import annotations

import textwrap

import numpy as np

from ..types import RunSpec, settings_of
from ..words import count, counted
from ._recipe import Recipe
from ._recipe_cells import counts_part, needs_words, prepare_part, selection_parts
from ._recipe_part import WIDTH, Part, packed
from ._recipe_training import can_be_fused, given, training

PACKAGES = ("scvi-tools", "torch", "anndata", "numpy")


def parts(recipe: Recipe, *, notebook: bool) -> list[Part]:
    return [
        _start(recipe, notebook),
        counts_part(recipe),
        prepare_part(recipe),
        *selection_parts(recipe),
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
        *(["import pandas as pd"] if needs_words(recipe.dataset.prepare) else []),
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
        lines += [packed(np.concatenate([validation, train, rest]), "order")]
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
        ", ".join(f"{value:.9g}" for value in recipe.first_cell), WIDTH - 4, initial_indent="    ",
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
