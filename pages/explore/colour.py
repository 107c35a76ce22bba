"""What colours a map: clusters, an annotation, a column of obs, a gene, or how good a cell's measurement is.

    colouring = choose_colour(run)      # .colour and .menu for ``cell_map``; .act takes what was chosen on the map

The first choice is the cell type where the data set names one, else clusters; where neither can be had, the batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.columns import Role, role_of
from backend.errors import StudioError
from backend.types import CellColumn, Groups, Numbers, RunRecord
from backend.words import count
from pages.server.send import publish
from pages.shared.cell_map import by_groups, by_numbers
from pages.shared.literal import literal
from pages.shared.named_clusters import named_clusters, shown_name
from pages.shared.waiting import analysis_wait

CLUSTERS, GENE, COLUMN, OWN, QUALITY = "clusters", "gene", "column", "annotation", "quality"
_COUNTS, _MODEL = "counts", "model"
_EXPRESSION = {
    _COUNTS: ("Log-normalised", "The raw counts of the file."),
    _MODEL: ("Denoised", "Expected expression under the model, corrected for sequencing depth and batch."),
}
_QUALITIES = {
    "counts": ("Counts per cell", "counts"),
    "genes": ("Genes per cell", "genes"),
    "loss": ("Reconstruction loss per cell", ""),
}
_CLUSTERINGS = re.compile(r"(clust|leiden|louvain|phenograph|kmeans|res[._]\d)", re.IGNORECASE)
_LABELLED = 40  # levels whose names are written on the map
LOWEST, HIGHEST, STEP = 0.1, 3.0, 0.1  # resolution


Undo = Callable[[], object]
Rename = Callable[[str, str], Undo]  # the old and the new name


@dataclass(frozen=True)
class Colouring:
    colour: dict[str, Any] | None
    menu: dict[str, Any]
    rename: Rename | None = None  # of the groups shown, where they can be


def choose_colour(run: RunRecord) -> Colouring:
    """What is chosen for this run in this session, and all that can be; waits on the page for what is computed."""
    chosen, columns = _chosen(run), _columns(run)
    kind, _, name = chosen.partition(":")
    own = services.current().analyses.annotations.of(run.run_id, run.n_obs)
    if (kind == COLUMN and name not in {column.name for column in columns}) or (
        kind == OWN and name not in own
    ):
        chosen, kind, name = CLUSTERS, CLUSTERS, ""
    colour, control, rename = None, None, None
    try:
        match kind:
            case "annotation":
                colour = by_groups(name, own[name], labelled=True, editable=True)
                rename = _annotation_rename(run.run_id, name)
            case "column":
                colour = _column(run, name)
            case "gene":
                colour, control = _gene(run, name)
            case "quality":
                colour = _quality(run, name)
            case _:
                colour, control, rename = _clusters(run)
    except StudioError as error:
        st.warning(literal(error, limit=300), icon=":material/info:")
    return Colouring(colour, _menu(run, chosen, columns, list(own), control), rename)


def choose(run: RunRecord, asked: dict[str, Any]) -> None:
    """Take what was chosen on the map. It comes from the browser: what is not one of ours changes nothing."""
    value, do = asked.get("value"), asked.get("do")
    if do == "colour" and isinstance(value, str):
        st.session_state[_key(run, "colour")] = value[:1000]
    elif do == "resolution" and isinstance(value, (int, float)) and LOWEST <= value <= HIGHEST:
        st.session_state[_key(run, "resolution")] = round(float(value), 1)
    elif do == "expression" and value in _EXPRESSION:
        st.session_state["map_expression"] = value


def show(run: RunRecord, column: str) -> None:
    """Colour by this annotation column from now on."""
    st.session_state[_key(run, "colour")] = f"{OWN}:{column}"


def _key(run: RunRecord, what: str) -> str:
    return f"map_{what}_{run.run_id}"


def _chosen(run: RunRecord) -> str:
    key = _key(run, "colour")
    if key not in st.session_state:
        try:
            batch, label = services.current().cells.likely(run)
        except StudioError:  # the data set was removed
            batch = label = None
        has_latent = (services.current().runs.run_dir(run.run_id) / "latent.npy").is_file()
        fallback = f"{COLUMN}:{batch}" if batch and not has_latent else CLUSTERS
        st.session_state[key] = f"{COLUMN}:{label}" if label else fallback
    chosen: str = st.session_state[key]
    return chosen


def _columns(run: RunRecord) -> list[CellColumn]:
    try:
        return services.current().cells.columns(run.spec.dataset_id)
    except StudioError:
        return []


# --- what can be chosen ---


def _menu(
    run: RunRecord, chosen: str, columns: list[CellColumn], own: list[str], control: dict[str, Any] | None
) -> dict[str, Any]:
    parts: dict[str, list[dict[str, Any]]] = {"Annotations": [], "Clusters": [], "Quality": [], "Numbers": []}
    parts["Annotations"] += [{"value": f"{OWN}:{name}", "name": name, "removable": True} for name in own]
    parts["Clusters"].append({"value": CLUSTERS, "name": "Leiden clusters"})
    for column in columns:
        item = {"value": f"{COLUMN}:{column.name}", "name": column.name}
        if column.kind == "continuous":
            quality = role_of(column.name) is Role.QUALITY
            parts["Quality" if quality else "Numbers"].append(item)
        else:
            clustering = _CLUSTERINGS.search(column.name)
            parts["Clusters" if clustering else "Annotations"].append(
                {**item, "more": count(column.n_levels)}
            )
    if columns:
        parts["Quality"][:0] = [
            {"value": f"{QUALITY}:{name}", "name": title} for name, (title, _) in _QUALITIES.items()
        ]
    return {
        "chosen": chosen,
        "groups": [{"title": title, "items": items} for title, items in parts.items() if items],
        "control": control,
        **(_genes(run, chosen) if columns else {"genes": None, "gene": None}),
    }


def _genes(run: RunRecord, chosen: str) -> dict[str, Any]:
    genes = services.current().cells.genes(run.spec.dataset_id)
    kind, _, name = chosen.partition(":")
    return {
        "genes": publish(json.dumps(list(genes.items()), ensure_ascii=False).encode()),
        "gene": {"value": chosen, "name": genes.get(name, name)} if kind == GENE else None,
    }


# --- what was chosen ---


def _column(run: RunRecord, name: str) -> dict[str, Any]:
    values = services.current().cells.column(run.spec.dataset_id, name)
    if isinstance(values, Groups):
        return by_groups(name, values, labelled=2 <= len(values.levels) <= _LABELLED and not values.ordered)
    return by_numbers(name, values)


def _quality(run: RunRecord, name: str) -> dict[str, Any] | None:
    if name == "loss":
        return _loss(run)
    title, unit = _QUALITIES.get(name, _QUALITIES["counts"])
    values = services.current().cells.quality(run.spec.dataset_id, unit)
    return by_numbers(title, values, unit=unit, note="Over all genes of the file.")


def _loss(run: RunRecord) -> dict[str, Any] | None:
    found = analysis_wait(run.run_id, "cell_loss", auto=True)
    if found is None:
        return None
    return by_numbers(
        _QUALITIES["loss"][0],
        Numbers(np.asarray(found.array("excess"))),
        unit="robust SDs above cells with similar counts",
        note="High: the model reconstructs this cell worse than cells with a similar number of counts.",
    )


def _gene(run: RunRecord, gene: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    cells, dataset_id = services.current().cells, run.spec.dataset_id
    how = st.session_state.get("map_expression", _COUNTS)
    control = {
        "kind": "expression",
        "value": how,
        "options": [{"value": key, "name": name, "help": help} for key, (name, help) in _EXPRESSION.items()],
    }
    if how == _COUNTS:
        values: Numbers | None = cells.counts(dataset_id, gene)
    else:
        there = analysis_wait(run.run_id, "decoded", auto=True) is not None
        values = _denoised(run, gene) if there else None
    if values is None:
        return None, control
    label = cells.gene_label(dataset_id, gene)
    name, note = _EXPRESSION[how]
    return by_numbers(label, values, unit="log(1 + per 10,000 counts)", note=f"{name}: {note}"), control


def _denoised(run: RunRecord, gene: str) -> Numbers | None:
    try:
        return services.current().cells.expression(run.run_id, gene)
    except StudioError as error:
        st.warning(literal(error, limit=300), icon=":material/info:")
        return None


# --- clusters ---


def _clusters(
    run: RunRecord,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, Rename | None]:
    proposal = analysis_wait(run.run_id, "resolution", auto=True)
    if proposal is None:
        return None, None, None
    usual = proposal.facts["resolution"]
    resolution = st.session_state.get(_key(run, "resolution"), usual)
    control = {
        "kind": "resolution",
        "value": resolution,
        "low": LOWEST,
        "high": HIGHEST,
        "step": STEP,
        "help": f"Higher values give more and smaller clusters. {usual:g} is proposed: of "
        f"{_tried(proposal.facts['resolutions'])} it gives the clusters that are best separated in the latent space "
        "(highest mean silhouette).",
    }
    found = clusters(run, resolution)
    if found is None:
        return None, control, None
    groups, options, members = found
    note = f"Leiden at resolution {options['resolution']:g}, numbered from the largest."
    colour = by_groups("Clusters", groups, labelled=True, editable=True, note=note)

    def rename(old: str, new: str) -> Undo:
        names = services.current().analyses.names
        names.rename(run.run_id, options, members[old], new)
        return lambda: names.undo(run.run_id, options)

    return colour, control, rename


def _tried(resolutions: list[float]) -> str:
    return f"{len(resolutions)} resolutions from {min(resolutions):g} to {max(resolutions):g}"


def clusters(run: RunRecord, resolution: float) -> tuple[Groups, dict[str, Any], dict[str, int]] | None:
    """The clusters at this resolution (while they are computed, those of the last one that is there), the options they
    were made with, and a cluster of each name."""
    analyses = services.current().analyses
    shown = _key(run, "resolution_shown")
    found = analysis_wait(run.run_id, "leiden", auto=True, options={"resolution": resolution})
    if found is not None:
        st.session_state[shown] = resolution
    elif earlier := st.session_state.get(shown):
        found = analyses.result(run.run_id, "leiden", resolution=earlier)
    if found is None:
        return None
    labels = analyses.names.of(run.run_id, found.options)
    assert labels is not None
    groups = named_clusters(np.asarray(found.array("labels")), labels)
    return groups, dict(found.options), {shown_name(name, of): of[0] for name, of in labels.groups.items()}


def shown_resolution(run_id: str) -> float | None:
    """Of the clusters that the map of this run showed last."""
    resolution: float | None = st.session_state.get(f"map_resolution_shown_{run_id}")
    return resolution


def _annotation_rename(run_id: str, column: str) -> Rename:
    def rename(old: str, new: str) -> Undo:
        annotations = services.current().analyses.annotations
        annotations.rename(run_id, column, old, new)
        return lambda: annotations.undo(run_id)

    return rename
