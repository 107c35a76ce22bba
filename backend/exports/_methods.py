"""A methods paragraph of a run as it was executed, in plain text, with its references.

    text = methods_text(record, dataset, source, found, n_train)

Says nothing that is not on record: what was not made (a map, clusters) does not occur.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from ..types import DatasetRef, RunRecord, SourceRef, find_notice
from ..words import counted, loss_value, percent
from ._explored import Explored
from ._names import one_line
from ._references import Citations

LIKELIHOODS = {
    "zinb": "zero-inflated negative binomial (ZINB)",
    "nb": "negative binomial (NB)",
    "poisson": "Poisson",
}
DISPERSIONS = {
    "gene": "one dispersion per gene",
    "gene-batch": "one dispersion per gene and batch",
    "gene-label": "one dispersion per gene and label",
    "gene-cell": "one dispersion per gene and cell",
}
_SCHEDULES = {"linear": "in a straight line", "cosine": "along half a cosine"}


def methods_text(
    record: RunRecord,
    dataset: DatasetRef | None,
    source: SourceRef | None,
    found: Explored,
    n_train: int | None,
) -> str:
    """``n_train``: cells trained on; None where it is not known any more."""
    citations = Citations()
    sentences = [
        *_data(record, dataset, source, citations),
        *_model(record, citations),
        *_training(record, n_train, citations),
        *_machine(record),
        *_exploration(found, citations),
    ]
    return " ".join(sentences) + "\n\nReferences\n" + "\n".join(citations.listed()) + "\n"


def _data(
    record: RunRecord, dataset: DatasetRef | None, source: SourceRef | None, citations: Citations
) -> list[str]:
    name = one_line(source.name if source else record.spec.dataset_name, 120)
    size = f"{counted(record.n_obs, 'cell')} and {counted(record.n_vars, 'gene')}"
    first = f"Raw counts of {size} of the data set “{name}” were used"
    if source is not None and source.origin == "demo":
        first += f", real blood cells that come with scanpy {citations.cite('pbmc68k', 'scanpy')}"
    elif dataset is not None and dataset.simulated:
        first += ", which are simulated"
    sentences = [first + "."]
    if dataset is None:
        return sentences
    prepare = dataset.prepare
    if prepare.min_cells_per_gene:
        sentences.append(
            f"Genes detected in fewer than {counted(prepare.min_cells_per_gene, 'cell')} were removed."
        )
    if find_notice(
        dataset.notices, "empty_cells_dropped", "emptied_cells_dropped", "selection_emptied_cells"
    ):
        sentences.append("Cells without counts were removed.")
    selected = find_notice(dataset.notices, "genes_selected")
    if selected:
        per = ""
        if selected.params.get("method") == "seurat_v3":
            method = f"the seurat_v3 method of scanpy {citations.cite('seurat_v3', 'scanpy')}"
            if selected.params.get("per_batch"):  # as done, not as asked for: it may have fallen back
                per = f" within each level of “{one_line(prepare.hvg_batch_key or '', 60)}”"
        else:
            method = "their ratio of variance to mean"
        sentences.append(
            f"{record.n_vars:,} highly variable genes were selected by {method} on the counts{per}."
        )
    return sentences


def _model(record: RunRecord, citations: Citations) -> list[str]:
    spec, known = record.spec, record.environment
    number = known.get("scvi-tools", "")
    sentences = [
        f"A model of scVI {citations.cite('scvi')} was trained with scvi-tools "
        f"{number}{' ' if number else ''}{citations.cite('scvi-tools')}: {LIKELIHOODS[spec.gene_likelihood]} "
        f"likelihood with {DISPERSIONS[spec.dispersion]}, {spec.n_latent} latent dimensions, encoder and decoder "
        f"with {counted(spec.n_layers, 'hidden layer')} of {spec.n_hidden} units, and a dropout rate of "
        f"{spec.dropout_rate:g}."
    ]
    covariates = []
    if spec.batch_key:
        covariates.append(f"“{one_line(spec.batch_key, 60)}” as the experimental batch")
    for keys, kind in (
        (spec.categorical_covariate_keys, "categorical"),
        (spec.continuous_covariate_keys, "continuous"),
    ):
        if keys:
            names = ", ".join(f"“{one_line(key, 60)}”" for key in keys)
            covariates.append(f"{names} as {kind} covariate{'s' if len(keys) > 1 else ''}")
    told = " and ".join(covariates)
    sentences.append(f"The model was given {told}." if told else "No batch or other covariate was used.")
    if spec.output_start == "gene_means":
        sentences.append("The output layer was started at the share of each gene among all counts.")
    return sentences


def _training(record: RunRecord, n_train: int | None, citations: Citations) -> list[str]:
    spec = record.spec
    part = f"{n_train:,} cells" if n_train else f"{percent(spec.train_size)} of the cells"
    held = record.n_obs - n_train if n_train else None
    sentences = [
        f"It was trained on {part} drawn at random"
        + (f" ({held:,} were held out for validation)" if held else "")
        + f", with Adam {citations.cite('adam')} at a learning rate of {spec.lr:g}{_rate(record)} and minibatches "
        f"of {spec.batch_size:,} cells, for {counted(record.epoch, 'epoch')}{_ending(record)}."
    ]
    if spec.n_epochs_kl_warmup:
        reached = min(1.0, record.epoch / spec.n_epochs_kl_warmup)
        sentences.append(
            f"The weight of the Kullback-Leibler term rose linearly over {spec.n_epochs_kl_warmup} epochs"
            + (f" and reached {reached:.2f}." if reached < 1 else ".")
        )
    if spec.norm_momentum != 0.01:
        sentences.append(f"The momentum of batch normalisation was {spec.norm_momentum:g}.")
    sentences.append(f"The random seed was {spec.seed}.")
    if record.best_validation is not None:
        sentences.append(
            f"The lowest validation loss was {loss_value(record.best_validation)} nats per cell "
            f"(epoch {record.best_epoch})."
        )
    return sentences


def _rate(record: RunRecord) -> str:
    spec = record.spec
    told = []
    if spec.lr_warmup:
        told.append(f"rising over the first {percent(spec.lr_warmup)} of the steps")
    if spec.lr_schedule in _SCHEDULES:
        told.append(f"falling {_SCHEDULES[spec.lr_schedule]} to {spec.lr_end * spec.lr:g}")
    return f" ({', then '.join(told)})" if told else ""


def _ending(record: RunRecord) -> str:
    spec = record.spec
    if record.status == "stopped":
        return f", where it was stopped ({spec.max_epochs:,} had been planned)"
    if spec.early_stopping and record.epoch < spec.max_epochs:
        return (
            f", where early stopping ended it (no better validation ELBO for {spec.early_stopping_patience} "
            "validations)"
        )
    return ""


def _machine(record: RunRecord) -> list[str]:
    known = record.environment
    where = record.device.split(":")[0].upper() or "CPU"
    name = f" ({one_line(record.device_name, 80)})" if record.device_name else ""
    engine = known.get("engine", record.spec.engine)
    how = (
        "the training loop of scvi-tools"
        if engine == "stock"
        else "the fused engine of scVI Studio, which computes the same loss"
    )
    rounding = ", products rounded to bfloat16" if record.spec.precision == "bf16-mixed" else ""
    versions = [
        f"{label} {known[key]}" for key, label in (("torch", "PyTorch"), ("python", "Python")) if key in known
    ]
    return [
        f"Training ran on {where}{name} with {how}{rounding}"
        + (f" ({', '.join(versions)})" if versions else "")
        + "."
    ]


def _exploration(found: Explored, citations: Citations) -> list[str]:
    sentences = []
    if found.clusters is not None:
        options = found.cluster_options
        sentences.append(
            f"Cells were clustered on the graph of their {options.get('n_neighbors', 15)} nearest neighbours in the "
            f"latent space with the Leiden algorithm {citations.cite('leiden')} (igraph{_installed('igraph')}, "
            f"resolution {options.get('resolution', 1.0):g}), as scanpy does {citations.cite('scanpy')}, which gave "
            f"{counted(int(found.clusters.max()) + 1, 'cluster')}."
        )
    if found.names is not None:
        sentences.append("Clusters were then named, and some merged, by hand.")
    if found.umap is not None:
        options = found.umap_options
        sentences.append(
            f"For display the latent space was laid out in two dimensions with UMAP {citations.cite('umap')} "
            f"(umap-learn{_installed('umap-learn')}, {options.get('n_neighbors', 15)} neighbours, minimal distance "
            f"{options.get('min_dist', 0.3):g})."
        )
    return sentences


def _installed(package: str) -> str:
    try:
        return f" {version(package)}"
    except PackageNotFoundError:
        return ""
