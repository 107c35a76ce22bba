"""Methods paragraphs of a run, and of a comparison, as they were executed: plain text with its references.

Says nothing that is not on record: what was not made (a map, clusters) does not occur.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..training import share_of_rate
from ..types import (
    ELBO,
    Comparison,
    DatasetRef,
    Notice,
    RunRecord,
    RunSpec,
    SourceRef,
    find_notice,
    settings_of,
)
from ..words import (
    METRICS,
    count,
    counted,
    finding_sentence,
    listed,
    loss_value,
    loss_words,
    one_line,
    percent,
    plural,
    rule_reasons,
)
from ._export import Explored, Export, Run, Runs
from ._recipe import Course, course_of, precision_of
from ._report_page import machine_of

REFERENCES = {
    "scvi": (
        "Lopez et al., 2018",
        "Lopez R, Regier J, Cole MB, Jordan MI, Yosef N. Deep generative modeling for single-cell "
        "transcriptomics. Nature Methods 15, 1053-1058 (2018). doi:10.1038/s41592-018-0229-2",
    ),
    "scvi-tools": (
        "Gayoso et al., 2022",
        "Gayoso A, Lopez R, Xing G, et al. A Python library for probabilistic analysis of single-cell omics "
        "data. Nature Biotechnology 40, 163-166 (2022). doi:10.1038/s41587-021-01206-w",
    ),
    "adam": (
        "Kingma and Ba, 2015",
        "Kingma DP, Ba J. Adam: a method for stochastic optimization. International Conference on Learning "
        "Representations (2015). arXiv:1412.6980",
    ),
    "seurat_v3": (
        "Stuart et al., 2019",
        "Stuart T, Butler A, Hoffman P, et al. Comprehensive integration of single-cell data. Cell 177, "
        "1888-1902 (2019). doi:10.1016/j.cell.2019.05.031",
    ),
    "scanpy": (
        "Wolf et al., 2018",
        "Wolf FA, Angerer P, Theis FJ. SCANPY: large-scale single-cell gene expression data analysis. Genome "
        "Biology 19, 15 (2018). doi:10.1186/s13059-017-1382-0",
    ),
    "umap": (
        "McInnes et al., 2018",
        "McInnes L, Healy J, Melville J. UMAP: Uniform Manifold Approximation and Projection for dimension "
        "reduction. arXiv:1802.03426 (2018)",
    ),
    "leiden": (
        "Traag et al., 2019",
        "Traag VA, Waltman L, van Eck NJ. From Louvain to Leiden: guaranteeing well-connected communities. "
        "Scientific Reports 9, 5233 (2019). doi:10.1038/s41598-019-41695-z",
    ),
    "mads": (
        "Germain et al., 2020",
        "Germain P-L, Sonrel A, Robinson MD. pipeComp, a general framework for the evaluation of computational "
        "pipelines, reveals performant single cell RNA-seq preprocessing tools. Genome Biology 21, 227 (2020). "
        "doi:10.1186/s13059-020-02136-7",
    ),
    "scrublet": (
        "Wolock et al., 2019",
        "Wolock SL, Lopez R, Klein AM. Scrublet: computational identification of cell doublets in single-cell "
        "transcriptomic data. Cell Systems 8, 281-291 (2019). doi:10.1016/j.cels.2018.11.005",
    ),
    "pbmc68k": (
        "Zheng et al., 2017",
        "Zheng GXY, Terry JM, Belgrader P, et al. Massively parallel digital transcriptional profiling of "
        "single cells. Nature Communications 8, 14049 (2017). doi:10.1038/ncomms14049",
    ),
}
_SETTINGS = settings_of(RunSpec)


def methods_text(run: Run) -> str:
    citations = Citations()
    record = run.record
    sentences = [
        *_data(record, run.dataset, run.source, citations),
        *_model(record, citations),
        *_training(record, course_of(run), citations),
        *_machine(record),
        *_exploration(run.found, citations),
    ]
    return _with_references(sentences, citations)


def _with_references(sentences: Sequence[str], citations: Citations) -> str:
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
    sentences += _quality_control(dataset, citations)
    if prepare.min_cells_per_gene:
        sentences.append(
            f"Genes detected in fewer than {counted(prepare.min_cells_per_gene, 'cell')} were removed."
        )
    if left_out := find_notice(dataset.notices, "other_features_left_out"):
        n = left_out.params["n"]
        assert isinstance(n, int)
        other = f"{counted(n, 'other feature')} {plural(n, 'was', 'were')}"
        sentences.append(f"Only gene expression was used; {other} not.")
    if find_notice(dataset.notices, "values_rounded", "fractions_rounded"):
        sentences.append("Values that were not whole numbers were rounded.")
    filled = [str(one.params["column"]) for one in dataset.notices if one.code == "missing_filled"]
    if filled:
        names = listed([f"“{one_line(name, 60)}”" for name in filled])
        sentences.append(f"Missing values of {names} became a level of their own.")
    if find_notice(
        dataset.notices, "empty_cells_dropped", "emptied_cells_dropped", "selection_emptied_cells"
    ):
        sentences.append("Cells without counts were removed.")
    if how := find_notice(dataset.notices, "genes_selected"):
        sentences.append(_selection(record.n_vars, prepare.hvg_batch_key or "", how.params, citations))
    return sentences


def _quality_control(dataset: DatasetRef, citations: Citations) -> list[str]:
    """Which cells were removed, by which limits, and how many."""
    filtered = find_notice(dataset.notices, "cells_filtered")
    if filtered is None:
        return []
    rules, limits = (list(map(str, _values(filtered, name))) for name in ("rules", "limits"))
    within = one_line(str(filtered.params["within"]), 60)
    reasons = rule_reasons(rules, limits, within, bool(filtered.params["mitochondrial"]))
    told = [
        f"{reason} ({count(int(n))})" for reason, n in zip(reasons, _values(filtered, "each"), strict=True)
    ]
    n, of = (int(str(filtered.params[name])) for name in ("n", "of"))
    sentences = [f"Quality control removed {count(n)} of {counted(of, 'cell')}: {listed(told)}."]
    if "max_mads" in rules:
        sentences.append(f"Median absolute deviations (MADs) are not scaled {citations.cite('mads')}.")
    if "max_doublet_score" in rules:
        where = f" within each level of “{within}”" if within else ""
        scored = f"Doublets were scored with Scrublet {citations.cite('scrublet')}"
        sentences.append(f"{scored}, as scanpy runs it {citations.cite('scanpy')}{where}.")
    return sentences


def _values(filtered: Notice, name: str) -> list[str | int]:
    values = filtered.params[name]
    assert isinstance(values, list)
    return values


def _selection(n_genes: int, key: str, how: Mapping[str, Any], citations: Citations) -> str:
    """By the way taken, which may not be the one asked for, or not everywhere."""
    batches, left_out, wider = (int(how.get(name) or 0) for name in ("batches", "left_out", "wider_fits"))
    by = "their ratio of variance to mean"
    if how.get("method") == "seurat_v3":
        by = f"the seurat_v3 method of scanpy {citations.cite('seurat_v3', 'scanpy')}"
    per, more = "", ""
    if how.get("per_batch"):
        per = f" within each level of “{one_line(key, 60)}”"
        if left_out:
            per += f" ({left_out} of {batches} levels, too small for a curve fit, were left out)"
        if wider:
            more = f" In {wider} of {batches} levels the curve was fitted with a wider span."
    elif key:
        more = f" No level of “{one_line(key, 60)}” allowed a curve fit, so all cells were taken together."
    elif wider:
        more = " The curve was fitted with a wider span."
    genes = f"{counted(n_genes, 'highly variable gene')} {plural(n_genes, 'was', 'were')}"
    return f"{genes} selected by {by} on the counts{per}.{more}"


def _model(record: RunRecord, citations: Citations) -> list[str]:
    spec = record.spec
    number = record.environment.get("scvi-tools", "")
    likelihood, dispersion = (
        _lower(_SETTINGS[name].said(getattr(spec, name))) for name in ("gene_likelihood", "dispersion")
    )
    sentences = [
        f"A model of scVI {citations.cite('scvi')} was trained with scvi-tools "
        f"{number}{' ' if number else ''}{citations.cite('scvi-tools')}: {likelihood} "
        f"likelihood with a dispersion of {dispersion}, {spec.n_latent} latent dimensions, encoder and decoder "
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


def _lower(said: str) -> str:
    """Within a sentence; a name or an abbreviation stays as it is."""
    return said if said[:2].isupper() or said.startswith("Poisson") else said[:1].lower() + said[1:]


def _training(record: RunRecord, course: Course | None, citations: Citations) -> list[str]:
    spec = record.spec
    part = counted(course.n_train, "cell") if course else f"{percent(spec.train_size)} of the cells"
    sentences = [
        f"It was trained on {part} drawn at random{_held_out(record, course)}, "
        f"with Adam {citations.cite('adam')} at a learning rate of "
        f"{spec.lr:g}{_rate(record)} and minibatches of {counted(spec.batch_size, 'cell')}, for "
        f"{counted(record.epoch, 'epoch')}{_ending(record, course)}."
    ]
    sentences += _extensions(spec, course) if course else []
    if spec.n_epochs_kl_warmup:
        begun = record.epoch + bool(course and course.extra_steps)  # scvi-tools counts epochs from 0
        reached = max(0, begun - 1) / spec.n_epochs_kl_warmup
        sentences.append(
            f"The weight of the Kullback-Leibler term rose linearly over {spec.n_epochs_kl_warmup} epochs"
            + (f" and {_reached(reached)} in the last one trained." if reached < 1 else ".")
        )
    if spec.norm_momentum != _SETTINGS["norm_momentum"].default:
        sentences.append(f"The momentum of batch normalisation was {spec.norm_momentum:g}.")
    if spec.norm_recalibration:
        sentences.append(
            "Before each validation and at the end, the running averages of batch normalisation were recomputed from "
            "training cells, unless the ELBO of validation cells became worse by it."
            if spec.train_size < 1
            else "At the end, the running averages of batch normalisation were recomputed from training cells, unless "
            "their ELBO became worse by it."
        )
    sentences.append(f"The random seed was {spec.seed}.")
    if record.best_validation is not None:
        sentences.append(
            f"The lowest {_judged_by(record)} was {loss_value(record.best_validation)} nats per cell "
            f"(epoch {record.best_epoch})."
        )
    return sentences


def _held_out(record: RunRecord, course: Course | None) -> str:
    if course is None:
        return ""
    aside = record.n_obs - course.n_train - course.n_validation
    told = [f"{count(course.n_validation)} were held out for validation"] if course.n_validation else []
    told += [f"{count(aside)} were left out, too few for a minibatch of their own"] if aside > 0 else []
    return f" ({', '.join(told)})" if told else ""


def _judged_by(record: RunRecord) -> str:
    if record.judged_by == ELBO:
        return "negative evidence lower bound (ELBO) of the validation cells"
    return loss_words(record.judged_by)


def _rate(record: RunRecord) -> str:
    spec = record.spec
    told = []
    if spec.lr_warmup:
        told.append(f"rising over the first {percent(spec.lr_warmup)} of the steps")
    if spec.lr_schedule != "constant" and spec.lr_end != 1:
        decay = f"{_lower(_SETTINGS['lr_schedule'].said(spec.lr_schedule))} to {spec.lr_end * spec.lr:g}"
        cut = record.epoch < spec.max_epochs
        told.append(f"{decay}, planned over {counted(spec.max_epochs, 'epoch')}" if cut else decay)
    return f" ({', then '.join(told)})" if told else ""


def _extensions(spec: RunSpec, course: Course) -> list[str]:
    """What extending did to the rate: planned over more epochs, it stands elsewhere at the same step."""
    told = []
    for before, after in course.extensions():
        step = (after.first - 1) * course.steps_per_epoch
        was, now = (
            share_of_rate(at, plan * course.steps_per_epoch, spec.lr_schedule, spec.lr_warmup, spec.lr_end)
            for at, plan in ((step - 1, before.planned), (step, after.planned))
        )
        fell = step > spec.lr_warmup * before.planned * course.steps_per_epoch
        how = "went up again" if now > was and fell else "changed" if now != was else ""
        if how:
            told.append(
                f"When the run was extended after {counted(after.first - 1, 'epoch')}, its learning rate {how}, to "
                f"where a run of {counted(after.planned, 'epoch')} has it."
            )
    return told


def _reached(weight: float) -> str:
    return f"reached {weight:.2f}" if weight >= 0.005 or not weight else f"reached {weight:.1g}"


def _ending(record: RunRecord, course: Course | None) -> str:
    spec = record.spec
    if record.status == "stopped":
        planned = f"where it was stopped ({count(spec.max_epochs)} had been planned)"
        if course is None or course.extra_steps == 0:
            return f", {planned}"
        if course.extra_steps is None:
            return f" and part of the next, {planned}"
        return f" and {counted(course.extra_steps, 'minibatch', 'minibatches')} of the next, {planned}"
    if spec.early_stopping and record.epoch < spec.max_epochs:
        return (
            f", where early stopping ended it (no better validation ELBO for "
            f"{counted(spec.early_stopping_patience, 'validation')})"
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
    rounding = ", products rounded to bfloat16" if precision_of(record) == "bf16-mixed" else ""
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
        details = [f"igraph{_installed('igraph')}", *_option(options, "resolution", "resolution")]
        sentences.append(
            f"Cells were clustered on {_graph(options)} in the latent space with the Leiden algorithm "
            f"{citations.cite('leiden')} ({', '.join(details)}), as scanpy does {citations.cite('scanpy')}, which gave "
            f"{counted(found.n_clusters, 'cluster')}."
        )
    if found.names is not None:
        sentences.append("Clusters were then named, and some merged, by hand.")
    if found.umap is not None:
        options = found.umap_options
        distance = "".join(f" ({words})" for words in _option(options, "min_dist", "minimal distance"))
        sentences.append(
            f"For display {_graph(options)} in the latent space was laid out in two dimensions with UMAP "
            f"{citations.cite('umap')}{distance}."
        )
    return sentences


def _graph(options: dict[str, Any]) -> str:
    """``n_neighbors`` counts the cell itself, as in scanpy and umap-learn."""
    n = options.get("n_neighbors")
    return f"the graph of each cell's {n - 1} nearest neighbours" if n else "the graph of nearest neighbours"


def _option(options: dict[str, Any], name: str, word: str) -> list[str]:
    """What the analysis recorded; nothing where an older one did not."""
    return [f"{word} {options[name]:g}"] if name in options else []


def _installed(package: str) -> str:
    try:
        return f" {version(package)}"
    except PackageNotFoundError:
        return ""


# --- of a comparison ---


def comparison_text(runs: Runs) -> str:
    citations, comparison = Citations(), runs.comparison
    sentences = [
        *_what(runs.records, citations),
        *_differences(comparison),
        *_how(comparison, runs.records),
        *(finding_sentence(finding) for finding in comparison.findings if finding.severity != "note"),
    ]
    return _with_references(sentences, citations)


def _what(records: Sequence[RunRecord], citations: Citations) -> list[str]:
    data = dict.fromkeys(
        f"“{one_line(record.spec.dataset_name, 80)}” ({counted(record.n_obs, 'cell')}, "
        f"{counted(record.n_vars, 'gene')})"
        for record in records
    )
    versions = dict.fromkeys(record.environment.get("scvi-tools", "") for record in records)
    number = " and ".join(filter(None, versions))
    return [
        f"{counted(len(records), 'model')} of scVI {citations.cite('scvi')} {plural(len(records), 'was', 'were')} "
        f"trained on {' and '.join(data)} with scvi-tools {number}{' ' if number else ''}"
        f"{citations.cite('scvi-tools')}."
    ]


def _differences(comparison: Comparison) -> list[str]:
    if not comparison.differences:
        return ["All settings were the same."] if len(comparison.runs) > 1 else []
    told = [
        f"{one.label}: {', '.join(dict.fromkeys(one_line(value, 60) for value in one.values))}"
        for one in comparison.differences
    ]
    return [f"These settings differed: {'; '.join(told)}. All others were the same."]


def _how(comparison: Comparison, records: Sequence[RunRecord]) -> list[str]:
    sentences = []
    epochs = sorted({record.epoch for record in records})
    seeds = sorted({record.spec.seed for record in records})
    span = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    sentences.append(
        f"Each was trained for {span} epoch{'' if span == '1' else 's'}; random seed"
        f"{' ' if len(seeds) == 1 else 's '}{', '.join(map(str, seeds))}."
    )
    machines = dict.fromkeys(machine_of(record) for record in records)
    sentences.append(
        f"Training ran on {' and on '.join(machines)}, one run after the other on each machine. Times are wall-clock "
        "times of training including validation, without preparation; the first epoch, which also warms up, is left "
        "out of times per epoch."
    )
    what = METRICS[comparison.metric].words
    if "final_loss" in comparison.comparable:
        sentences.append(f"Runs were compared by the {what} of their last epoch.")
    if comparison.target is not None and "target" in comparison.comparable:
        everybody = all(run.time_to_target is not None for run in comparison.runs)
        whose = "every run" if everybody else "every run that came near the others"
        chosen = "" if comparison.target_chosen else f", the lowest that {whose} reached,"
        sentences.append(
            f"The time to a {what} of {loss_value(comparison.target)}{chosen} was noted as well."
        )
    return sentences


@dataclass
class Citations:
    """Remembers what a text cited."""

    cited: list[str] = field(default_factory=list)

    def cite(self, *keys: str) -> str:
        """``(Lopez et al., 2018; Wolf et al., 2018)``."""
        self.cited += [key for key in keys if key not in self.cited]
        return f"({'; '.join(REFERENCES[key][0] for key in keys)})"

    def listed(self) -> list[str]:
        return sorted(REFERENCES[key][1] for key in self.cited)


METHODS = Export[Run]("methods.txt", lambda run, path: path.write_text(methods_text(run), "utf-8"))
COMPARISON_METHODS = Export[Runs](
    "methods.txt", lambda runs, path: path.write_text(comparison_text(runs), "utf-8")
)
