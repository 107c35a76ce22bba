"""The report of one run, as the sections of a page."""

from __future__ import annotations

from collections.abc import Callable

from ..charts import Chart, Trail, epoch_seconds_chart, loss_chart, parts_chart, speed_chart, steps_chart
from ..types import Curves, DatasetRef, RunRecord
from ..words import sentence
from ._explored import Explored
from ._facts import facts, numbers
from ._report_findings import LatestOf, clusters_table, trust_section
from ._report_map import report_map
from ._report_page import Figure, Section, Table

_LOSS = (
    "How badly the model explains the counts of a cell, on average; lower is better. scvi-tools logs the negative "
    "ELBO. Validation is measured on cells that training never sees."
)
_SMALL = 270


def run_sections(
    record: RunRecord,
    curves: Curves,
    dataset: DatasetRef | None,
    found: Explored,
    methods: str,
    latest_of: LatestOf = lambda kind: None,
) -> list[Section]:
    trail = Trail(record.name, record.device or "cpu", curves)
    return [
        Section("In short", paragraphs=_course(record, curves), cards=numbers(record), notes=_notes(record)),
        *_figures(trail),
        *([trust_section(curves, latest_of)] if len(curves["train_loss"]) else []),
        *_cells(record, dataset, found, latest_of),
        Section("Methods", ("Filled in from the run as it was executed.",), quote=methods),
        Section("Settings as executed", tables=_settings(record, dataset)),
    ]


def report_title(record: RunRecord) -> tuple[str, str]:
    """Title and the line below it."""
    about = [
        record.spec.dataset_name or record.spec.dataset_id,
        f"{record.n_obs:,} cells × {record.n_vars:,} genes",
    ]
    if record.device_name:
        about.append(record.device_name)
    if record.imported_from:
        about.append(f"trained elsewhere: {record.imported_from}")
    return record.name, " · ".join(about)


def _course(record: RunRecord, curves: Curves) -> tuple[str, ...]:
    told = []
    for name, word in (("validation_loss", "validation"), ("train_loss", "training")):
        epochs, values = curves[name].finite()
        if len(values) > 1:
            verb = "fell" if values[-1] < values[0] else "rose"
            told.append(
                f"The {word} loss {verb} from {values[0]:,.1f} in epoch {epochs[0]} to {values[-1]:,.1f} in epoch "
                f"{epochs[-1]}."
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


def _cells(
    record: RunRecord, dataset: DatasetRef | None, found: Explored, latest_of: LatestOf
) -> list[Section]:
    cells = report_map(record, dataset, found)
    clusters = clusters_table(found, latest_of)
    if cells is None:
        return [] if clusters is None else [Section("Clusters", tables=(clusters,))]
    told = []
    if found.clusters is not None:
        n = int(found.clusters.max()) + 1
        told.append(f"{n:,} clusters at a resolution of {found.cluster_options.get('resolution', 1.0):g}.")
    return [Section("Map of the cells", tuple(told), cell_map=cells, tables=(clusters,) if clusters else ())]


def _settings(record: RunRecord, dataset: DatasetRef | None) -> tuple[Table, ...]:
    return tuple(
        Table((), tuple(rows.items()), caption=title) for title, rows in facts(record, dataset).items()
    )
