"""The table of runs as data: a row a run, columns by choice, of which each may be a setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend.types import ELBO, Effect, RunRecord, RunSpec, settings_of
from backend.words import status_word
from pages.shared.run_status import LOOK

SETTINGS = {name: one for name, one in settings_of(RunSpec).items() if one.effect is not Effect.NAME}
COLUMNS = {
    "dataset": "Data set",
    "epochs": "Epochs",
    "curve": "Validation ELBO",
    "delta": "Δ ELBO",
    "elapsed": "Training time",
    "created": "Created",
    "tags": "Tags",
    "best": "Best ELBO",
    "weighted": "KL-weighted loss",
    "group": "Sweep or duel",
    "speed": "Cells per second",
    "device": "Device",
    "engine": "Engine",
    "note": "Note",
}
USUAL = ("dataset", "epochs", "curve", "elapsed", "created")


def elbo(run: RunRecord) -> float | None:
    return run.last_validation if run.judged_by == ELBO else None


def frame(
    runs: list[RunRecord],
    curves: dict[str, list[float]],
    groups: dict[str, str] | None = None,
    columns: Sequence[str] = tuple(COLUMNS),
    names: dict[str, str] | None = None,
    pinned: dict[str, RunRecord] | None = None,
) -> pd.DataFrame:
    """One row a run: name, status, ELBO, then ``columns``, of which each may also be a setting."""
    called, base = names or {}, pinned or {}
    made: dict[str, Any] = {
        "open": ["Open"] * len(runs),
        "name": [f"{'📌 ' if _is(base, run) else ''}{called.get(run.run_id, run.name)}" for run in runs],
        "status": [[status_word(run.status), *(["imported"] if run.imported_from else [])] for run in runs],
        "elbo": pd.Series([_finite(elbo(run)) for run in runs], dtype="float"),
    }
    for column in columns:
        made[column] = (
            [SETTINGS[column].said(getattr(run.spec, column)) for run in runs]
            if column in SETTINGS
            else _column(column, runs, curves, groups or {}, base)
        )
    return pd.DataFrame(made)


def _is(base: dict[str, RunRecord], run: RunRecord) -> bool:
    return run.spec.dataset_id in base and base[run.spec.dataset_id].run_id == run.run_id


def _column(
    name: str,
    runs: Sequence[RunRecord],
    curves: dict[str, list[float]],
    groups: dict[str, str],
    base: dict[str, RunRecord],
) -> Any:
    match name:
        case "curve":
            return [[round(v, 2) for v in curves.get(run.run_id, []) if math.isfinite(v)] for run in runs]
        case "best":
            best = [run.best_validation if run.judged_by == ELBO else None for run in runs]
            return pd.Series(map(_finite, best), dtype="float")
        case "weighted":
            loss = [None if run.judged_by == ELBO else run.last_validation for run in runs]
            return pd.Series(map(_finite, loss), dtype="float")
        case "delta":
            return pd.Series([_above(run, base.get(run.spec.dataset_id)) for run in runs], dtype="float")
        case "epochs":
            return [f"{run.epoch} / {run.spec.max_epochs}" for run in runs]
        case "created":
            # "coerce": a record from elsewhere may say any number, and the table shows a dash
            return pd.to_datetime([run.created_at for run in runs], unit="s", utc=True, errors="coerce")
        case "elapsed":
            return pd.to_timedelta([_whole(run.elapsed) for run in runs], unit="s", errors="coerce")
        case "speed":
            return pd.Series([run.cells_per_second for run in runs], dtype="float").round()
        case "device":
            return [run.device.upper() for run in runs]
        case "engine":
            return [run.environment.get("engine") or run.spec.engine for run in runs]
        case "dataset":
            return [run.spec.dataset_name for run in runs]
        case "tags":
            return [list(run.tags) for run in runs]
        case "group":
            return [[groups[run.group_id]] if run.group_id in groups else [] for run in runs]
    return [run.note for run in runs]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _above(run: RunRecord, base: RunRecord | None) -> float | None:
    """Its ELBO less the baseline's, of the same data set and measured on the same validation cells."""
    if base is None or base.run_id == run.run_id:
        return None
    mine, other = _finite(elbo(run)), _finite(elbo(base))
    same_cells = (run.spec.seed, run.spec.train_size) == (base.spec.seed, base.spec.train_size)
    alike = same_cells and run.spec.gene_likelihood == base.spec.gene_likelihood
    return mine - other if mine is not None and other is not None and alike else None


def _whole(seconds: float) -> int | None:
    """Rounded up; None for no time, and for what is no time."""
    return math.ceil(seconds) or None if math.isfinite(seconds) else None


def column_config(button: str, clicked: Callable[[], None]) -> dict[str, Any]:
    config = st.column_config
    looks = list(LOOK.items())
    return {
        **{name: config.TextColumn(one.label, help=one.help) for name, one in SETTINGS.items()},
        "open": config.ButtonColumn("", width=60, pinned=True, type="tertiary", on_click=clicked, key=button),
        "name": config.TextColumn("Run", width=200),
        "status": config.MultiselectColumn(
            "Status",
            width=105,
            options=[*(status_word(status) for status, _ in looks), "imported"],
            color=[*(colour for _, (_, colour) in looks), "gray"],
            help="Imported runs come from another computer and can be viewed and compared.",
        ),
        "elbo": config.NumberColumn(
            "ELBO",
            width=85,
            format="%.2f",
            help="Negative ELBO per validation cell (nats) after the last epoch, KL weight 1; lower is better. "
            "It compares within a data set only.",
        ),
        "best": config.NumberColumn("Best ELBO", format="%.2f", help="The lowest of all epochs."),
        "weighted": config.NumberColumn(
            "KL-weighted loss",
            width=120,
            format="%.2f",
            help="Of runs that did not log the ELBO: the validation loss with the KL weight of the last epoch.",
        ),
        "delta": config.NumberColumn(
            "Δ ELBO",
            width=85,
            format="%+.2f",
            help="Less the pinned baseline of the data set, where both were validated on the same cells; below 0 is "
            "better.",
        ),
        "group": config.ListColumn("Sweep or duel", width=170, help="The sweep or duel it belongs to."),
        "curve": config.LineChartColumn(
            "Validation ELBO", width=105, help="Negative, per epoch; lower is better."
        ),
        "epochs": config.TextColumn("Epochs", width=85),
        "elapsed": config.NumberColumn(
            "Trained", width=85, format="compact", help="Training time, h:min:s, rounded up."
        ),
        "speed": config.NumberColumn("Cells/s", format="localized"),
        "device": config.TextColumn("Device", width=70),
        "engine": config.TextColumn("Engine", width=70, help="The engine that was used."),
        "dataset": config.TextColumn("Data set", width=135),
        "tags": config.ListColumn("Tags", width=105),
        "created": config.DatetimeColumn("Created", width=120, format="distance"),
        "note": config.TextColumn("Note", width="medium"),
    }
