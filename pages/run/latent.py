"""The latent space on a run's page: cells as they separate while it trains, its map and before/after once it has ended.

latent_card(run)
seen(run)         # another value when there is something else to show: the page is drawn anew then
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.services import AnalysisResult
from backend.types import FrameIndex, Groups, Job, RunRecord
from pages.run.curves import PICTURE
from pages.shared.cell_frames import cells_card, explained
from pages.shared.cell_map import MapPanel, by_groups, cell_map
from pages.shared.named_clusters import named_clusters
from pages.shared.waiting import watch

MAP, MIXING, FRAMES = "UMAP", "Before/after", "During training"
_LABELLED = 25  # levels whose names are written on a small map


def latent_card(run: RunRecord, *, stage: bool = False) -> None:
    job = _under_way(run)
    views = _views(run)

    def heading() -> None:
        if not views:
            st.markdown("**Latent space**", width="content")
            return
        st.segmented_control(
            "View",
            [*views, FRAMES],
            default=MAP,
            required=True,
            key=f"latent-view-{run.run_id}",
            label_visibility="collapsed",
        )

    def caption(index: FrameIndex) -> None:
        # in the place of the caption, so that nothing moves when the map is begun or there
        if job is not None:
            watch([job], _find, services.current().analyses.cancel)
        else:
            st.caption(explained(index))

    view = st.session_state.get(f"latent-view-{run.run_id}") or MAP
    if not views or view not in views:
        cells_card(run, heading, caption, stage=stage)
        return
    with st.container(border=True, height="stretch"):
        heading()
        _map(run, view, views, stage)


def seen(run: RunRecord) -> tuple[bool, ...]:
    """What of a run that is over can be seen, and whether more is on its way."""
    return (*(view in _views(run) for view in (MAP, MIXING)), _under_way(run) is not None)


def _views(run: RunRecord) -> dict[str, list[AnalysisResult]]:
    """The maps that are there, each with what it is drawn from."""
    if not run.status.has_model:
        return {}
    analyses = services.current().analyses
    found = analyses.result(run.run_id, "umap")
    if found is None:
        return {}
    before = analyses.result(run.run_id, "before") if run.spec.batch_key else None
    return {MAP: [found], **({MIXING: [before, found]} if before is not None else {})}


def _under_way(run: RunRecord) -> Job | None:
    return services.current().analyses.first_look(run.run_id, "umap") if run.status.has_model else None


def _find(job_id: str) -> Job | None:
    try:
        return services.current().analyses.get(job_id)
    except StudioError:
        return None


def _map(run: RunRecord, view: str, views: dict[str, list[AnalysisResult]], stage: bool) -> None:
    titles = ["Without scVI", "With scVI"] if view == MIXING else [""]
    panels = [MapPanel(title, found.array("xy")) for title, found in zip(titles, views[view], strict=True)]
    title, groups = _groups(run, by_batch=view == MIXING)
    labelled = view == MAP and groups is not None and len(groups.levels) <= _LABELLED
    cell_map(
        panels,
        None if groups is None else by_groups(title, groups, labelled=labelled),
        key=f"run-{view}-{run.run_id}",
        runs=[],
        height=None if stage else PICTURE,
        compact=True,
        stage=stage,
        saved_as="map-of-cells",
    )


def _groups(run: RunRecord, *, by_batch: bool) -> tuple[str, Groups | None]:
    """What colours the cells: the batch where that is the question, else cell types, else clusters."""
    cells = services.current().cells
    try:
        batch, label = cells.likely(run)
        name = batch if by_batch else label
        if name is not None and isinstance(values := cells.column(run.spec.dataset_id, name), Groups):
            return name, values
    except StudioError:  # the data set was removed
        pass
    proposed = services.current().analyses.result(run.run_id, "resolution")
    if proposed is None:
        return "", None
    return "Clusters", named_clusters(np.asarray(proposed.array("labels")), None)
