"""The report of one run as one HTML file: its numbers, curves and settings, whether to trust it, and its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..charts import (
    Chart,
    Trail,
    cell_look,
    epoch_seconds_chart,
    judge_gap,
    judge_plateau,
    judge_predictive,
    judge_reencoding,
    loss_chart,
    parts_chart,
    plain,
    speed_chart,
    steps_chart,
)
from ..columns import MOST_LEVELS, colours, read_column
from ..types import ELBO, CellColours, Curves, DatasetRef, RunRecord
from ..words import METRICS, count, counted, percent, sentence
from ._export import Explored, Export, Result, Run
from ._methods import methods_text
from ._report_page import CellMap, Figure, Section, Table, facts_tables, numbers, numbers_to_text, write_page

_LOSS = (
    "How badly the model explains the counts of a cell, on average; lower is better. scvi-tools logs the negative "
    "ELBO. Validation is measured on cells that training never sees."
)
_SMALL = 270
_TOP = 5  # genes of a cluster
MOST_COLUMNS = 12


def _write(run: Run, path: Path) -> None:
    record, curves = run.record, run.curves
    about = [
        record.spec.dataset_name or record.spec.dataset_id,
        f"{counted(record.n_obs, 'cell')} × {counted(record.n_vars, 'gene')}",
    ]
    if record.device_name:
        about.append(record.device_name)
    if record.imported_from:
        about.append(f"trained elsewhere: {record.imported_from}")
    sections = [
        Section("In short", paragraphs=_course(record, curves), cards=numbers(record), notes=_notes(record)),
        *_figures(Trail(record.name, record.device or "cpu", curves)),
        *([_trust(run, curves)] if len(curves["train_loss"]) else []),
        *_cells(run),
        Section("Methods", ("Filled in from the run as it was executed.",), quote=methods_text(run)),
        Section("Settings as executed", tables=facts_tables(record, run.dataset)),
    ]
    write_page(path, record.name, " · ".join(about), sections)


REPORT = Export("report.html", _write)


def _course(record: RunRecord, curves: Curves) -> tuple[str, ...]:
    told = []
    training = "elbo_train" if curves.judged_by == ELBO else "train_loss"
    for name in (curves.judged_by, training):
        epochs, values = curves[name].finite()
        if len(values) > 1:
            verb = "fell" if values[-1] < values[0] else "rose"
            told.append(
                f"The {METRICS[name].words} {verb} from {values[0]:,.1f} in epoch {epochs[0]} to {values[-1]:,.1f} in "
                f"epoch {epochs[-1]}."
            )
    if record.note:
        told.append(f"Note: {record.note}")
    return tuple(told)


def _notes(record: RunRecord) -> tuple[tuple[str, str], ...]:
    notes = [("note", sentence(notice)) for notice in record.notices]
    if record.problem is not None:
        notes.insert(0, ("caution", record.problem.message))
    return tuple(notes)


def _both(
    draw: Callable[..., Chart], trail: Trail, name: str, height: int, caption: str, **options: str
) -> Figure:
    return Figure(
        name, draw(trail, dark=False, **options), draw(trail, dark=True, **options), height, caption
    )


def _figures(trail: Trail) -> list[Section]:
    if not len(trail.curves["train_loss"]):
        return []

    def loss(trail: Trail, dark: bool) -> Chart:
        return loss_chart([trail], dark=dark)

    return [
        Section("Loss", figures=(_both(loss, trail, "loss", 400, _LOSS),)),
        Section(
            "Details of the training",
            pairs=True,
            figures=(
                _both(steps_chart, trail, "minibatch-loss", _SMALL, "The loss of single minibatches."),
                _both(parts_chart, trail, "loss-parts", _SMALL, "What the loss is made of."),
                _both(epoch_seconds_chart, trail, "epoch-seconds", _SMALL, "How long each epoch took."),
                _both(speed_chart, trail, "speed", _SMALL, "Cells trained per second."),
            ),
        ),
    ]


# --- can it be trusted? ---


def _trust(run: Run, curves: Curves) -> Section:
    answers = {
        "Has training converged?": judge_plateau(curves),
        "Does the model generalise to held-out cells?": judge_gap(curves),
    }
    if (seen := run.latest("predictive")) is not None:
        answers["Does it make counts like the real ones?"] = judge_predictive(
            (seen.array("zeros_observed"), seen.array("zeros_simulated")),
            seen.array("mean_observed"),
            (seen.array("variance_observed"), seen.array("variance_simulated")),
        )
    if (seen := run.latest("reencode")) is not None:
        answers["Is the latent space reproducible?"] = judge_reencoding(
            seen.facts["largest"], float(seen.facts["spread"]), str(seen.facts["device"])
        )
    rows = tuple(
        (question, said.verdict, f"{said.seen} {said.advice}".strip()) for question, said in answers.items()
    )
    return Section(
        "Can it be trusted?",
        _labels(run.latest("known_labels")),
        tables=(Table(("Question", "Verdict", "What was seen"), rows),),
    )


def _labels(seen: Result | None) -> tuple[str, ...]:
    if seen is None:
        return ()
    facts, options = seen.facts, seen.options
    return (
        f"Held against the labels of the column “{options['label']}”: the "
        f"{counted(facts['n_clusters'], 'cluster')} at a resolution of {options['resolution']:g} agree with "
        f"them by an adjusted Rand index of {facts['ari']:.2f} (1 is the same, 0 is chance), and "
        f"{percent(facts['same_label'])} of a cell's 15 nearest neighbours have its "
        f"label ({percent(facts['chance_label'], 0)} by chance).",
    )


# --- the cells ---


def _cells(run: Run) -> list[Section]:
    found, cells, clusters = run.found, _map(run), _clusters(run)
    tables = () if clusters is None else (clusters,)
    if cells is None:
        return [Section("Clusters", tables=tables)] if tables else []
    told: tuple[str, ...] = ()
    if found.clusters is not None:
        told = (
            f"{counted(found.n_clusters, 'cluster')} at a resolution of "
            f"{found.cluster_options.get('resolution', 1.0):g}.",
        )
    return [Section("Map of the cells", told, cell_map=cells, tables=tables)]


def _clusters(run: Run) -> Table | None:
    """Clusters by name with their number of cells and, where they were asked for, the genes that mark them."""
    found = run.found
    if found.clusters is None:
        return None
    sizes = np.bincount(found.clusters)
    names = found.names or tuple(f"Cluster {number + 1}" for number in range(len(sizes)))
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        members.setdefault(name, []).append(number)
    genes = _genes(run.latest("top_genes"), found)
    rows = []
    for name, merged in members.items():
        cells = int(sizes[merged].sum())
        row = (name, count(cells), percent(cells / len(found.clusters), 1))
        rows.append((*row, ", ".join(genes.get(tuple(merged), ()))) if genes else row)
    heads = ("Cluster", "Cells", "Share", *(("Genes that mark it",) if genes else ()))
    return Table(heads, tuple(rows), caption="The clusters")


def _genes(result: Result | None, found: Explored) -> dict[tuple[int, ...], list[str]]:
    """Of each set of clusters, its first genes; nothing where they are of another clustering."""
    if result is None:
        return {}
    groups = result.options["groups"]
    if groups.get("by") != "clusters" or groups.get("clustering") != found.cluster_options:
        return {}
    genes: dict[tuple[int, ...], list[str]] = {}
    for gene, code in zip(result.array("gene").tolist(), result.array("of").tolist(), strict=True):
        members = groups["members"][code] if groups.get("members") else [code]
        of = genes.setdefault(tuple(members), [])
        if len(of) < _TOP:
            of.append(gene)
    return genes


def _map(run: Run) -> CellMap | None:
    """None where no map was made."""
    record, dataset, found = run.record, run.dataset, run.found
    if found.umap is None:
        return None
    n_cells = len(found.umap)
    looks: list[CellColours] = []
    if found.labels is not None:
        looks.append(_clusters_as_colours("clusters, as named", found.labels.tolist()))
    if found.clusters is not None:
        names = [f"Cluster {number + 1}" for number in found.clusters]
        looks.append(_clusters_as_colours("clusters", names, by_number=True))
    if dataset is not None and Path(dataset.path).is_file():
        looks += _columns(record, dataset, n_cells)
    return CellMap(
        numbers_to_text(found.umap[:, 0], "<f4"),
        numbers_to_text(found.umap[:, 1], "<f4"),
        n_cells,
        tuple(_look(one, n_cells) for one in looks[:MOST_COLUMNS]),
        "Each point is a cell; cells that the model finds alike lie close together. Which groups touch is worth a "
        "look; how far apart two distant groups lie means little.",
    )


def _columns(record: RunRecord, dataset: DatasetRef, n_cells: int) -> list[CellColours]:
    """Of the cell table: the batch first, then what tells cells apart."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(dataset.path, "r") as file:
        obs = read_elem(file["obs"])
    if len(obs) != n_cells:
        return []
    first = [name for name in (record.spec.batch_key,) if name in obs]
    found = []
    for name in [*first, *(name for name in obs.columns if name not in first)]:
        column = read_column(obs[name], str(name))
        if column.n_levels >= 2 and (
            column.kind == "continuous" or (column.is_groups and column.n_levels <= MOST_LEVELS)
        ):
            found.append(colours(column))
    return found


def _clusters_as_colours(name: str, values: Sequence[str], *, by_number: bool = False) -> CellColours:
    """Most frequent first; with ``by_number``, in the order of their numbers."""
    import pandas as pd

    column = read_column(pd.Series(values, dtype=object), name, as_groups=True)
    if not by_number:
        return colours(column)
    return CellColours(name, "categorical", tuple(column.codes.tolist()), column.levels)


def _look(look: CellColours, n_cells: int) -> dict[str, Any]:
    light, dark = cell_look(look, n_cells), cell_look(look, n_cells, dark=True)
    return {
        "name": look.column,
        "codes": numbers_to_text(light.codes, "<u1"),
        "labels": [plain(label, 40) for label in light.labels],  # Plotly reads markup
        "light": light.palette,
        "dark": dark.palette,
        "continuous": light.continuous,
    }
