"""The report of several runs as one HTML file: verdict, fair play, figures, table, settings.

Draws what a ``Comparison`` says; a sweep also gets the table of minibatch sizes beside the published one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..charts import (
    PUBLISHED,
    PUBLISHED_NOTE,
    Chart,
    SweepTable,
    Trail,
    compare_chart,
    pareto_chart,
    sweep_loss_chart,
    sweep_pareto_chart,
    sweep_tables,
    sweep_time_chart,
    target_chart,
    time_chart,
)
from ..types import Agreement, ComparedRun, Comparison, Curves, RunBiology, RunRecord
from ..words import (
    METRICS,
    agreement_sentences,
    count,
    counted,
    duration,
    factor,
    finding_sentence,
    loss_value,
    or_dash,
    percent,
)
from ._export import Export, Runs
from ._methods import comparison_text
from ._report_page import Figure, Section, Table, facts_tables, write_page

_COLUMNS: dict[str, Callable[[ComparedRun], str]] = {
    "run": lambda run: run.label,
    "name": lambda run: run.name,
    "status": lambda run: run.status,
    "device": lambda run: run.device.upper(),
    "engine": lambda run: run.engine,
    "minibatch size": lambda run: count(run.batch_size),
    "learning rate": lambda run: f"{run.lr:g}",
    "seed": lambda run: str(run.seed),
    "epochs": lambda run: f"{run.epochs} of {run.max_epochs}",
    "preparation": lambda run: or_dash(run.preparation_seconds, duration),
    "first epoch": lambda run: or_dash(run.warm_up_seconds, duration),
    "steady epoch": lambda run: or_dash(run.steady_seconds, duration),
    "cells/s": lambda run: or_dash(run.cells_per_second, count),
    "training time": lambda run: or_dash(run.total_seconds, duration),
    "best loss": lambda run: "–" if run.best is None else f"{loss_value(run.best)} (epoch {run.best_epoch})",
    "to target": lambda run: or_dash(run.time_to_target, duration),
    "speed-up": lambda run: "–" if run.speed_up is None else f"{factor(run.speed_up)} ×",
}

_ABREAST = 4  # runs that are a column each

_BIOLOGY: dict[str, Callable[[RunBiology], str]] = {
    "same clusters (ARI)": lambda run: f"{run.same_clusters:.2f}",
    "neighbours shared": lambda run: percent(run.shared_neighbours, 0),
    "clusters": lambda run: str(run.n_clusters),
    "label purity": lambda run: or_dash(run.same_label, lambda part: percent(part, 0)),
    "silhouette": lambda run: "–" if run.silhouette is None else f"{run.silhouette:.2f}",
    "batch mixing": lambda run: "–" if run.mixing is None else f"{run.mixing:.2f}",
}


def _write(runs: Runs, path: Path) -> None:
    comparison, records, curves = runs.comparison, runs.records, runs.curves
    agreement = runs.agreement
    sweep = runs.group is not None and runs.group.kind == "sweep"
    methods = comparison_text(runs)
    sections = [
        Section(
            "Verdict",
            comparison.verdict or ("There is not enough yet to judge by.",),
            notes=_notes(comparison),
        ),
        *(_sweep(comparison, records, curves) if sweep else []),
        *_curves(comparison, curves, sweep=sweep),
        *(_biology(comparison, agreement) if agreement is not None else []),
        Section("All runs", tables=(_table(comparison), *_differences(comparison))),
        Section(
            "Appendix: methods",
            ("Filled in from the runs as they were executed.",),
            quote=methods,
            appendix=True,
        ),
        *(
            Section(f"Settings of {run.label}", tables=facts_tables(one.record, one.dataset), folded=True)
            for run, one in zip(comparison.runs, runs.each, strict=True)
        ),
    ]
    about = " · ".join(dict.fromkeys(record.spec.dataset_name for record in records))
    title = runs.title or " against ".join(run.label for run in comparison.runs)
    write_page(path, title, f"{len(records)} runs · {about}", sections)


COMPARISON_REPORT = Export("report.html", _write)


def _notes(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    found = tuple((finding.severity, finding_sentence(finding)) for finding in comparison.findings)
    return found or (("note", "Nothing was found that makes this comparison unfair."),)


def _both(draw: Callable[[bool], Chart], name: str, height: int, caption: str) -> tuple[Figure, ...]:
    light = draw(False)
    return () if light.empty else (Figure(name, light, draw(True), height, caption),)


def _curves(comparison: Comparison, curves: Mapping[str, Curves], *, sweep: bool) -> list[Section]:
    trails = [Trail(run.label, run.device, curves[run.run_id]) for run in comparison.runs]
    what = METRICS[comparison.metric].words

    def over(axis: str) -> Callable[[bool], Chart]:
        return lambda dark: compare_chart(
            trails, metric=comparison.metric, axis=axis, dark=dark, target=comparison.target
        )

    target = (
        "" if comparison.target is None else f" The line marks the target, {loss_value(comparison.target)}."
    )
    lines = [] if sweep else [
        Section(
            f"{what[:1].upper()}{what[1:]} of all runs",
            figures=(
                *_both(over("time"), "loss-by-time", 420, f"On one clock, pauses left out.{target}"),
                *_both(over("epoch"), "loss-by-epoch", 420, "By epoch."),
            ),
        ),
        *_section(
            "Time against loss",
            _both(
                lambda dark: pareto_chart(comparison, dark=dark),
                "time-against-loss",
                420,
                "To the left is faster, lower is better. Nothing beats the runs on the line in both.",
            ),
        ),
    ]  # fmt: skip
    height = 120 + 34 * len(comparison.runs)
    return [
        *lines,
        *_section(
            "Time",
            (
                *_both(
                    lambda dark: target_chart(comparison, dark=dark),
                    "time-to-target",
                    height,
                    "Training time until the target was reached first.",
                ),
                *_both(
                    lambda dark: time_chart(comparison, dark=dark),
                    "where-the-time-went",
                    height,
                    "Preparation and the first epoch, which also warms up, are apart from the steady epochs.",
                ),
            ),
        ),
    ]


def _section(title: str, figures: tuple[Figure, ...]) -> list[Section]:
    return [Section(title, figures=figures)] if figures else []


def _sweep(
    comparison: Comparison, records: Sequence[RunRecord], curves: Mapping[str, Curves]
) -> list[Section]:
    tables = sweep_tables(records, curves)
    published = Table(
        (*_heads(PUBLISHED)[:3], "validation loss"),
        _sweep_rows(PUBLISHED),
        PUBLISHED.label,
        _marked(PUBLISHED),
    )
    return [
        Section(
            "Minibatch size, time and loss",
            tables=(
                *(Table(_heads(t), _sweep_rows(t), f"Here: {t.label}", _marked(t)) for t in tables),
                published,
            ),
            paragraphs=(PUBLISHED_NOTE, "In bold: the quickest and the lowest loss of each table."),
        ),
        *_section(
            "Time by minibatch size",
            (
                *_both(
                    lambda dark: sweep_time_chart(tables, dark=dark),
                    "time-by-minibatch-size",
                    400,
                    "Training time by minibatch size.",
                ),
                *_both(
                    lambda dark: sweep_time_chart(tables, relative=True, dark=dark),
                    "relative-time-by-minibatch-size",
                    400,
                    "The same as a multiple of the time at 128, with the published shape.",
                ),
            ),
        ),
        *_section(
            "Loss of every run",
            (
                *_both(
                    lambda dark: sweep_loss_chart(records, curves, axis="time", dark=dark),
                    "loss-by-time",
                    460,
                    "Against training time.",
                ),
                *_both(
                    lambda dark: sweep_loss_chart(records, curves, dark=dark),
                    "loss-by-epoch",
                    460,
                    "By epoch.",
                ),
            ),
        ),
        *_section(
            "Time against loss",
            _both(
                lambda dark: sweep_pareto_chart(comparison, records, dark=dark),
                "time-against-loss",
                440,
                "To the left is faster, lower is better; numbers are minibatch sizes.",
            ),
        ),
    ]


def _heads(table: SweepTable) -> tuple[str, ...]:
    return ("minibatch size", "learning rate", "time", METRICS[table.metric].words)


def _sweep_rows(table: SweepTable) -> tuple[tuple[str, ...], ...]:
    def spread(value: float | None) -> str:
        return "" if value is None else f" ± {value:.2g}"

    def said(loss: float) -> str:
        return f"{loss:,.0f}" if table is PUBLISHED else loss_value(loss)  # as published, without decimals

    return tuple(
        (
            count(row.batch_size),
            f"{row.lr:g}",
            row.state if row.seconds is None else f"{row.seconds:,.3g} s{spread(row.seconds_sd)}",
            "–" if row.loss is None else f"{said(row.loss)}{spread(row.loss_sd)}",
        )
        for row in table.rows
    )


def _marked(table: SweepTable) -> frozenset[int]:
    return frozenset(number for number, row in enumerate(table.rows) if row.fastest or row.best)


def _biology(comparison: Comparison, found: Agreement) -> list[Section]:
    """Beside each loss how the cells lie; measures that no run has, for want of a column, are left out."""
    there = [head for head, show in _BIOLOGY.items() if any(show(run) != "–" for run in found.runs)]
    rows = []
    for run in found.runs:
        compared = comparison.run(run.run_id)
        label = f"{compared.label} (reference)" if run.run_id == found.reference else compared.label
        loss = or_dash(compared.last, loss_value)
        rows.append((label, loss, *(_BIOLOGY[head](run) for head in there)))
    columns = [
        f"{what}: {name}" for what, name in (("labels", found.label), ("batches", found.batch)) if name
    ]
    caption = (
        f"On {counted(found.n_cells, 'cell')}; unrelated models would share {percent(found.chance_neighbours, 1)} of "
        "neighbours. Even the same setting with another seed does not agree fully."
    )
    return [
        Section(
            "Did the setting change the biology?",
            agreement_sentences(found, {run.run_id: run.label for run in comparison.runs}),
            tables=(Table(("run", "final loss", *there), tuple(rows), "; ".join([*columns, caption])),),
        )
    ]


def _table(comparison: Comparison) -> Table:
    best = frozenset(n for n, run in enumerate(comparison.runs) if run.run_id == comparison.recommended)
    if len(comparison.runs) <= _ABREAST:  # as wide as a page
        heads = (
            "",
            *(
                f"{run.label} (recommended)" if n in best else run.label
                for n, run in enumerate(comparison.runs)
            ),
        )
        facts = (
            (name, *(show(run) for run in comparison.runs))
            for name, show in _COLUMNS.items()
            if name != "run"
        )
        return Table(heads, tuple(facts))
    rows = tuple(tuple(show(run) for show in _COLUMNS.values()) for run in comparison.runs)
    return Table(tuple(_COLUMNS), rows, "The recommended run is in bold." if best else "", best)


def _differences(comparison: Comparison) -> tuple[Table, ...]:
    if not comparison.differences:
        return ()
    heads = ("setting", *(run.label for run in comparison.runs))
    rows = tuple((one.label, *one.values) for one in comparison.differences)
    return (Table(heads, rows, "Only what differs."),)
