"""A sweep as figures and as tables like the published one: time against minibatch size, every run's loss, trade-off.

One table or line for each way of training (engine, device, and whatever else was varied); seeds are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from ..types import KL_WEIGHTED, Comparison, Curves, RunRecord, RunSpec, judged_by, settings_of
from ..words import METRICS, count, device_word, number, sentence_case
from ._colours import WARM_UP, Look, page, run_looks
from ._figure import Chart, column, focus, layout, line, nothing, plain, time_unit, x_axis

PUBLISHED_NAME = "Published, Apple M-series (MPS)"
PUBLISHED_NOTE = (
    "From the blog post “Training SCVI – Metal acceleration”: Apple M-series, MPS, 90,852 cells, 5 epochs. Another "
    "machine and other cells, so compare the shape, not the numbers. The post does not define its validation loss "
    "beyond the name of the column."
)
BASE_SIZE = 128  # here all learning rate rules agree
_SETTINGS = settings_of(RunSpec)
# what the own runs and others with another rule may differ in, made the same
_VARIED: dict[str, Any] = {
    "batch_size": 2,
    "lr": 0.0,
    "lr_rule": "",
    "seed": 0,
    "max_epochs": 1,
    "dataset_name": "",
}
_ALWAYS = ("engine", "accelerator")
_NEVER = ("dataset_id", "dataset_name", "batch_size", "lr", "seed", "max_epochs")


@dataclass(frozen=True)
class SweepRow:
    batch_size: int
    lr: float
    seconds: float | None = None  # of training; mean over the seeds that are done
    seconds_sd: float | None = None  # None: fewer than two seeds
    loss: float | None = None  # after the last epoch, of the quantity the sweep is judged by
    loss_sd: float | None = None
    run_ids: tuple[str, ...] = ()
    state: str = "finished"  # while nothing is done: "queued", "running", "failed" ...
    epoch: int = 0
    max_epochs: int = 0
    fastest: bool = False  # in its table
    best: bool = False


@dataclass(frozen=True)
class SweepTable:
    label: str  # "fused · CPU"
    device: str
    rows: tuple[SweepRow, ...]
    metric: str = KL_WEIGHTED  # what ``loss`` is


PUBLISHED = SweepTable(
    PUBLISHED_NAME,
    "mps",
    tuple(
        SweepRow(size, lr, seconds, None, loss, None, fastest=size == 2048, best=size == 512)
        for size, lr, seconds, loss in (
            (128, 0.001, 100.0, 4911.0),
            (256, 0.002, 89.0, 4880.0),
            (512, 0.004, 83.1, 4856.0),
            (1024, 0.008, 80.5, 4925.0),
            (2048, 0.016, 77.7, 4968.0),
            (4096, 0.032, 79.2, 5228.0),
        )
    ),
)


def variants(runs: Sequence[RunRecord]) -> dict[str, str]:
    """For each run (by id) how it was trained, apart from size, rate and seed: ``fused · CPU``."""
    varied = [name for name in RunSpec.__dataclass_fields__ if name not in (*_ALWAYS, *_NEVER)]
    varied = [name for name in varied if len({getattr(run.spec, name) for run in runs}) > 1]
    rates = {run.spec.lr for run in runs if run.spec.batch_size == BASE_SIZE}
    return {run.run_id: _label(run, varied, several_rates=len(rates) > 1) for run in runs}


def sweep_tables(runs: Sequence[RunRecord], curves: Mapping[str, Curves]) -> list[SweepTable]:
    """One table a variant, in the order the variants first appear."""
    labels = variants(runs)
    metric = judged_by(curves[run.run_id] for run in runs)
    members: dict[str, list[RunRecord]] = {}
    for run in runs:
        members.setdefault(labels[run.run_id], []).append(run)
    tables = []
    for label, own in members.items():
        points: dict[tuple[int, float], list[RunRecord]] = {}
        for run in [*own, *_shared(own, runs)]:
            points.setdefault((run.spec.batch_size, run.spec.lr), []).append(run)
        rows = [_row(size, lr, points[size, lr], curves, metric) for size, lr in sorted(points)]
        tables.append(SweepTable(label, own[0].device or own[0].spec.accelerator, _marked(rows), metric))
    return tables


def _label(run: RunRecord, varied: Sequence[str], *, several_rates: bool) -> str:
    spec = run.spec
    parts = [spec.engine, device_word(spec.accelerator)]
    parts += [_SETTINGS[name].in_label(getattr(spec, name)) for name in varied]
    if several_rates and spec.batch_size == BASE_SIZE:
        parts.append(_SETTINGS["lr"].in_label(spec.lr))
    return " · ".join(parts)


def _shared(own: Sequence[RunRecord], runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs of other rules that are the same as this rule's would have been, so that they were trained once."""
    if any(run.spec.batch_size == BASE_SIZE for run in own):
        return []
    like = own[0].spec.replace(**_VARIED)
    return [
        run
        for run in runs
        if run.spec.batch_size == BASE_SIZE
        and run.spec.lr_rule != own[0].spec.lr_rule
        and run.spec.replace(**_VARIED) == like
    ]


def _row(
    size: int, lr: float, runs: Sequence[RunRecord], curves: Mapping[str, Curves], metric: str
) -> SweepRow:
    done = [run for run in runs if run.status.has_model]
    ids = tuple(run.run_id for run in runs)
    if not done:
        state = next((run for run in runs if run.status == "running"), runs[0])
        return SweepRow(
            size, lr, run_ids=ids, state=state.status, epoch=state.epoch, max_epochs=state.spec.max_epochs
        )
    losses = [loss for run in done if (loss := last_loss(curves[run.run_id], metric)) is not None]
    seconds = [run.elapsed for run in done]
    return SweepRow(
        size,
        lr,
        fmean(seconds),
        stdev(seconds) if len(seconds) > 1 else None,
        fmean(losses) if losses else None,
        stdev(losses) if len(losses) > 1 else None,
        run_ids=ids,
        state=done[0].status,
        epoch=min(run.epoch for run in done),
        max_epochs=done[0].spec.max_epochs,
    )


def last_loss(curves: Curves, metric: str = "") -> float | None:
    """What a run is judged by, after the last epoch that has it; None where it is no number."""
    values = curves[metric or curves.judged_by].value
    return float(values[-1]) if len(values) and math.isfinite(values[-1]) else None


def _marked(rows: Sequence[SweepRow]) -> tuple[SweepRow, ...]:
    """With the quickest and the lowest loss of at least two marked."""
    timed = [row.seconds for row in rows if row.seconds is not None]
    lossy = [row.loss for row in rows if row.loss is not None]
    return tuple(
        replace(
            row,
            fastest=len(timed) > 1 and row.seconds == min(timed),
            best=len(lossy) > 1 and row.loss == min(lossy),
        )
        for row in rows
    )


# from small minibatches (cold) to large ones (warm); readable on the page they are for
_SIZES = ("#3B3FA0", "#0072B2", "#00807A", "#5B8A1E", "#A87400", "#C8500A", "#A8478A", "#5B6770")
_SIZES_DARK = ("#8E9BF0", "#56B4E9", "#3CC4B4", "#8FD15A", "#E8C547", "#F08A4B", "#E48CC4", "#AEB9C2")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_POINTS = 720  # of all lines together: what keeps twelve runs of 400 epochs smooth
# Plotly lays a chart out again and again to find its margins: measured, half of an update with many lines.
_MARGINS = {"l": 72, "r": 12, "t": 8, "b": 52}
_LABELLED = 16
_PLACES = ("top center", "bottom center", "middle left", "middle right")


def sweep_time_chart(
    tables: Sequence[SweepTable], *, relative: bool = False, dark: bool = False, revision: str = ""
) -> Chart:
    """Training time against minibatch size, a line a table.

    With ``relative`` each is divided by its own time at 128, and the published shape is drawn too.
    """
    shown = [(table, _timed(table, relative)) for table in tables]
    looks = run_looks([table.device for table in tables], dark=dark)
    drawn = [(table, rows, look) for (table, rows), look in zip(shown, looks, strict=True) if rows]
    if not drawn:
        wait = f"Comes with the run at {BASE_SIZE}." if relative else "The time of each size appears here."
        return nothing(wait, revision)
    unit, unit_name = (
        (1.0, "") if relative else time_unit(max(r.seconds or 0 for _, rs, _ in drawn for r in rs))
    )
    sizes = {row.batch_size for _, rows, _ in drawn for row in rows}
    data: list[dict[str, Any]] = []
    if relative:
        grey = Look(WARM_UP, "dot", "diamond-open")
        data.append(_times(PUBLISHED, _timed(PUBLISHED, True), grey, 1.0, ""))
        sizes |= {row.batch_size for row in PUBLISHED.rows}
    data += [_times(table, rows, look, unit, unit_name) for table, rows, look in drawn]
    title = f"training time, times that at {BASE_SIZE}" if relative else f"training time ({unit_name})"
    words = "; ".join(
        f"{table.label}: "
        + ", ".join(f"{r.batch_size} {number((r.seconds or 0.0) / unit)} {unit_name}" for r in rows)
        for table, rows, _ in drawn
    )
    return Chart(
        data,
        layout(
            x=_size_axis(sizes),
            y={"title": {"text": title}, "rangemode": "tozero", "tickformat": ",~r", "uirevision": title},
            revision=revision,
            hovermode="closest",
            showlegend=True,
        ),
        f"Training time by minibatch size. {words}.",
    )


def sweep_loss_chart(
    runs: Sequence[RunRecord],
    curves: Mapping[str, Curves],
    *,
    axis: str = "epoch",
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """What the runs are judged by, of every one: colour says the minibatch size, the dash how it was trained."""
    metric = judged_by(curves[run.run_id] for run in runs)
    shown = [run for run in runs if len(curves[run.run_id][metric])]
    if not shown:
        return nothing("The loss appears here after the first complete epoch.", revision)
    labels = variants(runs)
    dashes = {label: _DASHES[n % len(_DASHES)] for n, label in enumerate(dict.fromkeys(labels.values()))}
    sizes = sorted({run.spec.batch_size for run in runs})
    colours = _SIZES_DARK if dark else _SIZES
    series = {run.run_id: curves[run.run_id][metric] for run in shown}
    unit, unit_name = time_unit(max(max(one.seconds, default=0.0) for one in series.values()))
    limit = max(20, _POINTS // len(shown))
    several_seeds = len({run.spec.seed for run in runs}) > 1
    data = []
    order = {label: number for number, label in enumerate(dashes)}
    for run in sorted(shown, key=lambda r: (r.spec.batch_size, order[labels[r.run_id]], r.spec.seed)):
        colour = colours[sizes.index(run.spec.batch_size) % len(colours)]
        seed = f" · seed {run.spec.seed}" if several_seeds else ""
        data.append(
            line(
                series[run.run_id],
                axis,
                unit,
                limit=limit,
                name=plain(f"{count(run.spec.batch_size)} · {labels[run.run_id]}{seed}", 48),
                line={"color": colour, "width": 2.25, "dash": dashes[labels[run.run_id]]},
                marker={"color": colour, "size": 5},
                mode="lines+markers" if len(series[run.run_id]) <= 12 else "lines",
                hovertemplate="%{y:,.2f}",
            )
        )
    last = max(one.order[-1] for one in series.values())
    near, notes = focus(series.values())
    said = "; ".join(
        f"{run.spec.batch_size} {labels[run.run_id]}: {number(series[run.run_id].value[-1])}" for run in shown
    )
    return Chart(
        data,
        layout(
            x={**x_axis(axis, unit_name, last=last), "automargin": False},
            y={
                "automargin": False,
                "title": {"text": f"{METRICS[metric].axis}, lower is better"},
                "hoverformat": ",.2f",
                "tickformat": ",~r",
                **near,
            },
            revision=revision,
            margin=_MARGINS,
            hovermode="closest",
            showlegend=True,
            annotations=notes,
        ),
        f"{sentence_case(METRICS[metric].words)} of {len(shown)} runs, last value each. {said}.",
    )


def sweep_pareto_chart(
    comparison: Comparison, runs: Sequence[RunRecord], *, dark: bool = False, revision: str = ""
) -> Chart:
    """Training time against final loss, a point a setting with its minibatch size; bars show the seeds' spread."""
    placed = [setting for setting in comparison.settings if setting.seconds > 0]
    if len(placed) < 2:
        return nothing("At least two finished runs are needed to compare time and loss.", revision)
    labels = variants(runs)
    spec = {run.run_id: run.spec for run in runs}
    names = list(dict.fromkeys(labels.values()))
    device = {labels[run.run_id]: run.device or run.spec.accelerator for run in runs}
    looks = dict(zip(names, run_looks([device[name] for name in names], dark=dark), strict=True))
    unit, unit_name = time_unit(max(setting.seconds for setting in placed))
    front = sorted((s for s in placed if s.on_front), key=lambda s: s.seconds)
    data: list[dict[str, Any]] = []
    if len(front) > 1:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": column([s.seconds / unit for s in front], 5),
                "y": column([s.loss for s in front]),
                "line": {"width": 1.5, "dash": "dot", "color": WARM_UP},
                "name": "Pareto front",
                "hoverinfo": "skip",
            }
        )
    for place, name in enumerate(names):
        mine = [s for s in placed if labels[s.run_ids[0]] == name]
        if not mine:
            continue
        points = [f"{count(spec[s.run_ids[0]].batch_size)}" for s in mine]
        data.append(
            {
                "type": "scatter",
                "mode": "markers+text" if len(placed) <= _LABELLED else "markers",
                "x": column([s.seconds / unit for s in mine], 5),
                "y": column([s.loss for s in mine]),
                "text": points,
                "textposition": _PLACES[place % len(_PLACES)],  # two engines often lie close together
                "name": plain(name, 48),
                "cliponaxis": False,
                "error_x": _spread([s.seconds_sd / unit if s.seconds_sd else 0 for s in mine]),
                "error_y": _spread([s.loss_sd or 0 for s in mine]),
                "marker": {
                    "color": looks[name].colour,
                    "symbol": looks[name].symbol,
                    "size": [19 if s.recommended else 11 for s in mine],
                    "opacity": 1.0,  # else Plotly makes marks of several sizes see-through
                    "line": {"width": 2, "color": page(dark)},
                },
                "hovertemplate": f"minibatch size %{{text}}: %{{x:,.3~g}} {unit_name}, loss %{{y:,.2f}}"
                f"<extra>{plain(name, 48)}</extra>",
            }
        )
    said = "; ".join(f"{s.label}: {number(s.seconds)} s, {number(s.loss)}" for s in placed)
    return Chart(
        data,
        layout(
            x={"title": {"text": f"training time ({unit_name}), less is better"}, "rangemode": "tozero"},
            y={
                "title": {"text": f"final {METRICS[comparison.metric].words}, lower is better"},
                "tickformat": ",~r",
            },
            revision=revision,
            hovermode="closest",
            showlegend=True,
        ),
        f"Training time against final {METRICS[comparison.metric].words}. {said}.",
    )


def _timed(table: SweepTable, relative: bool) -> list[SweepRow]:
    rows = [row for row in table.rows if row.seconds is not None]
    if not relative:
        return rows
    base = next((row.seconds for row in rows if row.batch_size == BASE_SIZE), None)
    return [_divided(row, base) for row in rows] if base else []


def _divided(row: SweepRow, base: float) -> SweepRow:
    spread = None if row.seconds_sd is None else row.seconds_sd / base
    return SweepRow(row.batch_size, row.lr, (row.seconds or 0.0) / base, spread)


def _times(
    table: SweepTable, rows: Sequence[SweepRow], look: Look, unit: float, unit_name: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [row.batch_size for row in rows],
        "y": column([(row.seconds or 0.0) / unit for row in rows], 5),
        "error_y": _spread([(row.seconds_sd or 0.0) / unit for row in rows]),
        "name": plain(table.label, 48),
        "line": {"color": look.colour, "width": 2.5, "dash": look.dash},
        "marker": {"color": look.colour, "size": 9, "symbol": look.symbol},
        "hovertemplate": f"minibatch size %{{x:,d}}: %{{y:,.3~g}} {unit_name or '×'}"
        f"<extra>{plain(table.label, 48)}</extra>",
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"type": "data", "array": column(values, 4), "visible": any(values), "thickness": 1.25}


def _size_axis(sizes: set[int]) -> dict[str, Any]:
    ticks = sorted(sizes)
    return {
        "title": {"text": "minibatch size (cells)"},
        "type": "log",
        "tickvals": ticks,
        "ticktext": [count(size) for size in ticks],
    }
