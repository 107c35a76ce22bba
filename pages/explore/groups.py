"""The groups of a run's cells to choose from: clusters, columns of obs, cells selected on the map.

grouping = choose_grouping(run)      # None: the page has said what is missing
if without_model(run, "find marker genes"): return
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.services import AnalysisResult
from backend.types import Groups, Labels, RunRecord
from pages.explore.colour import shown_resolution
from pages.shared.cell_map import selection
from pages.shared.literal import literal
from pages.shared.waiting import analysis_wait

CLUSTERS, CHOSEN, OWN = "\0clusters", "\0cells", "\0own "  # no column of a file is called so
_SOURCE = "markers-source"


@dataclass(frozen=True)
class Grouping:
    """Groups by name with their number of cells, and how an analysis is told of them."""

    source: str
    sizes: dict[str, int]
    options: dict[str, Any] = field(default_factory=dict)
    labels: Labels | None = None  # of clusters

    def parts(self, name: str) -> list[str]:
        """What an analysis calls the group ``name``."""
        return [str(i) for i in self.labels.groups[name]] if self.labels else [name]

    @property
    def merged(self) -> dict[str, Any]:
        """The options with clusters of one name as one group."""
        if self.labels is None:
            return self.options
        return {**self.options, "members": [list(members) for members in self.labels.groups.values()]}

    def shown(self, name: str) -> str:
        """What is shown for a group that an analysis of ``merged`` speaks of."""
        return list(self.labels.groups)[int(name)] if self.labels else name


def columns(run: RunRecord) -> list[str]:
    """Columns that part the cells into groups."""
    try:
        return services.current().cells.groupings(run.spec.dataset_id)
    except StudioError:  # the data set was removed
        return []


def compare_chosen(run_id: str) -> None:
    """Let the cells selected on the map be the group that markers are looked for, when they are opened next."""
    st.session_state[f"{_SOURCE}-{run_id}"] = CHOSEN


def clusters_of(run_id: str) -> AnalysisResult | None:
    """The clusters that the map shows, else those last named, else those first proposed, or of the usual settings."""
    analyses = services.current().analyses
    named = analyses.names.of(run_id)
    resolution = shown_resolution(run_id)
    asked = [{"resolution": resolution}] if resolution else []
    proposal = analyses.result(run_id, "resolution")
    usual = [] if proposal is None else [{"resolution": proposal.facts["resolution"]}]
    found = (
        analyses.result(run_id, "leiden", **options)
        for options in (*asked, *([named.options] if named else []), *usual, {})
    )
    return next((result for result in found if result is not None), None)


def choose_grouping(run: RunRecord) -> Grouping | None:
    chosen = selection(run.run_id)
    own = [f"{OWN}{name}" for name in services.current().analyses.annotations.columns(run.run_id)]
    sources = [CLUSTERS, *([CHOSEN] if chosen is not None else []), *own, *columns(run)]
    state = f"{_SOURCE}-{run.run_id}"
    if st.session_state.get(state) not in sources:
        ready = clusters_of(run.run_id) is not None
        others = [source for source in sources if source not in (CLUSTERS, CHOSEN)]
        st.session_state[state] = CLUSTERS if ready or not others else others[0]
    source = st.selectbox(
        "Group cells by",
        sources,
        format_func=lambda name: {CLUSTERS: "Clusters", CHOSEN: "Cells selected on the map"}.get(
            name, name.removeprefix(OWN)
        ),
        key=state,
        help="Leiden clusters of the latent space, a column of obs, or the cells selected on the map.",
    )
    if source == CLUSTERS:
        return _clusters(run)
    if source == CHOSEN and chosen is not None:
        return _chosen(run, chosen)
    return _annotation(run, source.removeprefix(OWN)) if source.startswith(OWN) else _column(run, source)


def _clusters(run: RunRecord) -> Grouping | None:
    found = clusters_of(run.run_id)
    if found is None:
        help_text = "Leiden clustering of the latent space."
        found = analysis_wait(run.run_id, "leiden", button="Find clusters", help=help_text)
    if found is None:
        return None
    labels = services.current().analyses.names.of(run.run_id, found.options)
    assert labels is not None
    sizes = {name: sum(found.facts["sizes"][i] for i in members) for name, members in labels.groups.items()}
    options = {"by": "clusters", "clustering": dict(found.options)}
    return Grouping(CLUSTERS, sizes, options, labels)


def _chosen(run: RunRecord, cells: np.ndarray) -> Grouping:
    name = services.current().analyses.keep_cells(run.run_id, cells)
    sizes = {"selected cells": len(cells), "all other cells": run.n_obs - len(cells)}
    return Grouping(CHOSEN, sizes, {"by": "cells", "name": name})


def _annotation(run: RunRecord, column: str) -> Grouping:
    annotations = services.current().analyses.annotations
    found = annotations.of(run.run_id, run.n_obs)[column]
    options = {"by": "annotation", "name": column, "version": annotations.version(run.run_id)}
    return Grouping(column, dict(zip(found.levels, found.counts, strict=True)), options)


def _column(run: RunRecord, column: str) -> Grouping | None:
    try:
        found = services.current().cells.column(run.spec.dataset_id, column)
    except StudioError as error:
        st.warning(literal(error, limit=300), icon=":material/error:")
        return None
    assert isinstance(found, Groups)
    sizes = dict(zip(found.levels, found.counts, strict=True))
    return Grouping(column, sizes, {"by": "column", "name": column})


def without_model(run: RunRecord, what: str) -> bool:
    """Say why ``what`` cannot be done, where it cannot."""
    if not run.imported_from:
        return False
    st.info(
        f"This run was imported without its model, which is needed to {what}. Do it on the computer that trained "
        "the run, or train it again here.",
        icon=":material/info:",
    )
    return True
