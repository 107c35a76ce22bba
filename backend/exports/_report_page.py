"""One HTML file that needs nothing else, with text, tables and figures; and what a run was, as such tables.

    write_page(path, "Title", "Subtitle", [Section("Loss", paragraphs=(...,), figures=(...))])
    tables = facts_tables(record, dataset); cards = numbers(record)

All text is escaped here, so sections hand over plain strings. A content security policy in the file forbids it any
contact with the network and any script but the two that are in it, told by their hashes. Facts are what ran, never
what was asked for where the two differ.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..charts import Chart
from ..types import DatasetRef, PrepareSpec, RunRecord, settings_of
from ..words import (
    count,
    counted,
    duration,
    loss_value,
    loss_words,
    memory_size,
    moment,
    one_line,
    percent,
    sentence,
    setting_rows,
    status_word,
)

# Plotly takes lists and arrays alike, JSON any plain value: ``Any``.

_HERE = Path(__file__).parent
_MANY = 8  # columns: on paper such a table is small
_LONG = 30  # characters of a table's cell that gets room, so that it is not broken into a column of words


@dataclass(frozen=True)
class Figure:
    """A chart in the colours of a light and of a dark page."""

    name: str  # of the file when it is saved
    light: Chart
    dark: Chart
    height: int = 360
    caption: str = ""


@dataclass(frozen=True)
class CellMap:
    """Cells in two dimensions; ``colours`` are columns to choose from. Arrays are base64."""

    x: str  # float32
    y: str
    n_cells: int
    colours: tuple[dict[str, Any], ...]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    heads: tuple[str, ...]  # none: a table of two columns, names and values
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marked: frozenset[int] = frozenset()  # rows to stand out


@dataclass(frozen=True)
class Section:
    title: str
    paragraphs: tuple[str, ...] = ()
    cards: dict[str, str] = field(default_factory=dict)  # large numbers with a name
    notes: tuple[tuple[str, str], ...] = ()  # ("caution", "sentence"): kinds unfair, caution, note
    figures: tuple[Figure, ...] = ()
    pairs: bool = False  # two figures beside each other
    cell_map: CellMap | None = None
    tables: tuple[Table, ...] = ()
    quote: str = ""  # a text to be copied, line breaks kept
    folded: bool = False
    appendix: bool = False  # on paper it begins a page


def write_page(path: Path, title: str, subtitle: str, sections: Sequence[Section]) -> None:
    made = f"Made by scVI Studio on {time.strftime('%d %B %Y, %H:%M')}. This file works without a network."
    figures: dict[str, Any] = {}
    body = "\n".join(_section(section, figures) for section in sections)
    plotly, script, style = _plotly(), _asset("report.js"), _asset("report.css")
    # scattergl builds its programs with Function(), hence 'unsafe-eval'; nothing can be loaded all the same
    policy = (
        f"default-src 'none'; script-src 'unsafe-eval' {_hash(plotly)} {_hash(script)}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header><h1>{text(title)}</h1><p class="subtitle">{text(subtitle)}</p></header>
<main>
{body}
</main>
<footer>{text(made)}</footer>
<script type="application/json" id="figures">{_json(figures)}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""
    path.write_text(document, "utf-8")


def text(value: object) -> str:
    """Any name or sentence, as nothing but text."""
    return html.escape(one_line(value, 4000))


def numbers_to_text(values: Any, kind: str) -> str:
    """A numpy array as base64, little endian; ``kind`` is a numpy type such as ``<f4``."""
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def _section(section: Section, figures: dict[str, Any]) -> str:
    parts = [f"<p>{text(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.cards:
        cards = "".join(f"<div><dt>{text(n)}</dt><dd>{text(v)}</dd></div>" for n, v in section.cards.items())
        parts.append(f'<dl class="cards">{cards}</dl>')
    if section.notes:
        notes = "".join(
            f'<li class="{text(kind)}"><b>{text(kind)}</b> {text(message)}</li>'
            for kind, message in section.notes
        )
        parts.append(f'<ul class="notes">{notes}</ul>')
    drawn = "".join(_figure(figure, figures) for figure in section.figures)
    parts.append(f'<div class="pairs">{drawn}</div>' if section.pairs else drawn)
    if section.cell_map is not None:
        parts.append(_cell_map(section.cell_map, figures))
    parts += [_table(table) for table in section.tables]
    if section.quote:
        parts.append(
            f'<pre class="quote">{html.escape(section.quote)}</pre>'
            '<button type="button" class="copy">Copy this text</button>'
        )
    inside = "\n".join(part for part in parts if part)
    if section.folded:
        return (
            f"<section><details><summary><h2>{text(section.title)}</h2></summary>{inside}</details></section>"
        )
    kind = ' class="appendix"' if section.appendix else ""
    return f"<section{kind}><h2>{text(section.title)}</h2>{inside}</section>"


def _figure(figure: Figure, figures: dict[str, Any]) -> str:
    key = f"figure{len(figures)}"
    figures[key] = {
        "name": figure.name,
        "light": figure.light.figure,
        "dark": figure.dark.figure,
    }
    caption = f"<figcaption>{text(figure.caption)}</figcaption>" if figure.caption else ""
    return (
        f'<figure><div class="plot" id="{key}" role="img" aria-label="{text(figure.light.words)}" '
        f'style="height:{figure.height}px"></div>{caption}</figure>'
    )


def _cell_map(cells: CellMap, figures: dict[str, Any]) -> str:
    figures["cells"] = {"name": "cells", "x": cells.x, "y": cells.y, "colours": cells.colours}
    options = "".join(f'<option value="{n}">{text(c["name"])}</option>' for n, c in enumerate(cells.colours))
    chooser = f'<label>Colour by <select id="cells-colour">{options}</select></label>' if options else ""
    caption = f"<figcaption>{text(cells.caption)}</figcaption>" if cells.caption else ""
    words = f"Map of {counted(cells.n_cells, 'cell')}: similar cells lie close together."
    return (
        f'{chooser}<figure><div class="plot" id="cells" role="img" aria-label="{text(words)}" '
        f'style="height:560px"></div>{caption}</figure>'
    )


def _table(table: Table) -> str:
    head = ""
    if table.heads:
        head = (
            f"<thead><tr>{''.join(f'<th scope=col>{text(name)}</th>' for name in table.heads)}</tr></thead>"
        )
    rows = []
    for number, row in enumerate(table.rows):
        cells = "".join(
            f"<th scope=row>{text(cell)}</th>"
            if place == 0
            else f"<td{' class=long' if len(cell) > _LONG else ''}>{text(cell)}</td>"
            for place, cell in enumerate(row)
        )
        rows.append(f"<tr{' class=marked' if number in table.marked else ''}>{cells}</tr>")
    caption = f"<caption>{text(table.caption)}</caption>" if table.caption else ""
    kind = "" if table.heads else ' class="facts"'
    kind = ' class="many"' if len(table.heads) > _MANY else kind
    return f'<div class="wide"><table{kind}>{caption}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    told = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return told.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _plotly() -> str:
    """plotly.py's own copy, found without importing plotly."""
    spec = find_spec("plotly")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    assert "</script" not in source.lower(), "the library would end its own element"
    return source


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


Rows = dict[str, str]
ELSEWHERE = "another computer"
_ENVIRONMENT = {
    "python": "Python",
    "torch": "PyTorch",
    "platform": "System",
    "cpu": "Processor",
    "cores": "Cores",
}
_CONDITIONS: dict[str, tuple[str, Callable[[float], str]]] = {
    "other_load": ("Processor used by other programs", percent),
    "other_load_max": ("At most", percent),
    "threads": ("Threads", count),
    "frequency_mhz": ("Processor frequency", lambda mhz: f"{count(mhz)} MHz"),
    "on_battery": ("On battery", lambda yes: "yes" if yes else "no"),
    "throttled": ("Slowed for its heat or its share", lambda yes: "yes" if yes else "no"),
}


def facts_tables(record: RunRecord, dataset: DatasetRef | None) -> tuple[Table, ...]:
    rows = setting_rows(record.spec)
    parts = rows | {
        "Data": _data(record, dataset) | rows["Data"],
        "Machine": _machine(record),
    }
    return tuple(Table((), tuple(rows.items()), caption=title) for title, rows in parts.items())


def numbers(record: RunRecord) -> Rows:
    """The handful that somebody looks for first."""
    found: Rows = {
        "Status": status_word(record.status),
        "Epochs": f"{count(record.epoch)} of {count(record.spec.max_epochs)}",
    }
    if record.elapsed:
        found["Training time"] = duration(record.elapsed)
    if record.seconds_per_epoch:
        found["Per epoch"] = duration(record.seconds_per_epoch)
    if record.cells_per_second:
        found["Speed"] = f"{record.cells_per_second:,.0f} cells/s"
    if record.best_validation is not None:
        found[f"Best {loss_words(record.judged_by)}"] = (
            f"{loss_value(record.best_validation)} (epoch {record.best_epoch})"
        )
    if record.device:
        found["Device"] = record.device.split(":")[0].upper()
    return found


def machine_of(record: RunRecord) -> str:
    """Where a run was trained, in a few words."""
    known = record.environment
    parts = (record.imported_from or known.get("cpu") or record.device_name, known.get("platform", ""))
    told = parts[0] if record.imported_from else ", ".join(part for part in parts if part)
    return one_line(told, 120) or ELSEWHERE


def _data(record: RunRecord, dataset: DatasetRef | None) -> Rows:
    spec = record.spec
    rows = {
        "Data set": spec.dataset_name or spec.dataset_id,
        "Cells × genes": f"{count(record.n_obs)} × {count(record.n_vars)}",
        "Data set id": spec.dataset_id,
    }
    if dataset is not None:
        rows[settings_of(PrepareSpec)["counts"].label] = dataset.prepare.counts
        rows["Density"] = f"{percent(dataset.density)} of the values are not zero"
        if dataset.notices:
            rows["Preparation"] = " ".join(map(sentence, dataset.notices))
    return rows


def _machine(record: RunRecord) -> Rows:
    known = dict(record.environment)
    engine = known.pop("engine", record.spec.engine)
    rows = {"Engine": engine, "Device": record.device or "none"}
    if engine != record.spec.engine:
        rows["Engine asked for"] = record.spec.engine
    if record.implementation:
        rows["Computed with"] = record.implementation
    if record.device_name:
        rows["Its name"] = record.device_name
    if record.imported_from:
        rows["Brought from"] = record.imported_from
    if record.peak_memory:
        rows["Most memory"] = memory_size(record.peak_memory)
    rows |= {_ENVIRONMENT.get(name, name): text for name, text in known.items()}
    for name, (label, said) in _CONDITIONS.items():
        value = record.conditions.get(name)
        if isinstance(value, int | float):  # of a run from elsewhere it may be anything
            rows[label] = said(value)
    if record.started_at:
        rows["Started"] = moment(record.started_at)
    return rows
