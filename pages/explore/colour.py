"""What colours a map: clusters, a column of the cell table, a gene, or how good a cell's measurement is.

colour = choose_colour(run, key="map")      # draws the controls; what ``cell_map`` takes, or None
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Groups, Labels, Numbers, RunRecord, default_name
from pages.shared.cell_map import by_groups, by_numbers
from pages.shared.literal import literal
from pages.shared.waiting import analysis_wait

_MODEL, _RAW = "Denoised", "Raw counts"
_HELP = {
    _MODEL: "Expected expression under the model, corrected for sequencing depth.",
    _RAW: "Raw counts of the file, normalised to 10,000 per cell.",
}
_QUALITY = {"quality:counts": "Counts per cell", "quality:genes": "Genes per cell"}
_LOSS = "Reconstruction loss per cell"


def choose_colour(run: RunRecord, *, key: str) -> dict[str, Any] | None:
    options = _options(run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Colour by",
            list(options),
            format_func=lambda option: options.get(option, option),
            key=f"{key}_colour",
            width=280,
            help="Leiden clusters of the latent space, columns of obs, genes, or quality metrics.",
        )
        if chosen == "clusters":
            return _clusters(run, key)
        if chosen == "gene":
            return _gene(run, key)
    if chosen is None:
        return None
    kind, _, name = chosen.partition(":")
    if kind == "column":
        return _column(run, name)
    if kind == "quality":
        values = services.current().cells.quality(run.spec.dataset_id, name)
        return by_numbers(_QUALITY[chosen], values, unit=name, note="Over all genes of the file.")
    return _loss(run)


def _options(run: RunRecord) -> dict[str, str]:
    """What can be chosen -> its name, as plain text."""
    options = {"clusters": "Clusters"}
    try:
        columns = services.current().cells.columns(run.spec.dataset_id)
    except StudioError:
        return options
    options["gene"] = "Gene…"
    options |= {f"column:{column.name}": column.name for column in columns}
    options |= _QUALITY
    if services.current().analyses.knows("cell_loss"):
        options["loss"] = _LOSS
    return options


def _column(run: RunRecord, name: str) -> dict[str, Any] | None:
    try:
        values = services.current().cells.column(run.spec.dataset_id, name)
    except StudioError as error:
        st.warning(literal(error, limit=300))
        return None
    if isinstance(values, Groups):
        return by_groups(name, values, labelled=2 <= len(values.levels) <= 40)
    return by_numbers(name, values)


# --- clusters ---


def _clusters(run: RunRecord, key: str) -> dict[str, Any] | None:
    proposal = analysis_wait(run.run_id, "resolution", auto=True)
    if proposal is None:
        return None
    slider, begun = f"{key}_resolution", f"{key}_resolution_run"
    if st.session_state.get(begun) != run.run_id:
        st.session_state[begun], st.session_state[slider] = run.run_id, proposal.facts["resolution"]
    resolution = st.slider(
        "Resolution",
        0.1,
        3.0,
        step=0.1,
        key=slider,
        width=260,
        help="Higher values give more and smaller clusters. "
        f"{proposal.facts['resolution']:g} is proposed: of {_tried(proposal.facts['resolutions'])} it gives the "
        "clusters that are best separated in the latent space (highest mean silhouette).",
    )
    found = clusters(run, resolution, key)
    if found is None:
        return None
    return by_groups("Clusters", found, labelled=True, note="Leiden clusters, numbered from the largest.")


def _tried(resolutions: list[float]) -> str:
    return f"{len(resolutions)} resolutions from {min(resolutions):g} to {max(resolutions):g}"


def clusters(run: RunRecord, resolution: float, key: str) -> Groups | None:
    """The clusters at this resolution; while they are computed, those of the last one that is there."""
    analyses = services.current().analyses
    shown = f"{key}_resolution_shown"
    found = analysis_wait(run.run_id, "leiden", auto=True, options={"resolution": resolution})
    if found is not None:
        st.session_state[shown] = resolution
    elif earlier := st.session_state.get(shown):
        found = analyses.result(run.run_id, "leiden", resolution=earlier)
    if found is None:
        return None
    labels = analyses.names.of(run.run_id, found.options)
    return named_clusters(np.asarray(found.array("labels")), labels)


def named_clusters(clusters: np.ndarray, labels: Labels | None) -> Groups:
    """Clusters of one name together, the largest first; those without a name of their own by their number."""
    sizes = np.bincount(clusters)
    names = labels.groups if labels else {str(number + 1): (number,) for number in range(len(sizes))}
    order = sorted(names, key=lambda name: -sum(int(sizes[number]) for number in names[name]))
    table = np.full(len(sizes), -1, np.int32)
    for rank, name in enumerate(order):
        table[list(names[name])] = rank
    shown = tuple(str(names[name][0] + 1) if name == default_name(names[name][0]) else name for name in order)
    return Groups(table[clusters], shown, tuple(int(sizes[list(names[name])].sum()) for name in order))


# --- genes ---


def _gene(run: RunRecord, key: str) -> dict[str, Any] | None:
    cells, dataset_id = services.current().cells, run.spec.dataset_id
    text = st.text_input(
        "Gene",
        key=f"{key}_gene_text",
        placeholder="For example CD3D",
        width=240,
        help="A gene name or its beginning; not case-sensitive.",
    )
    how = st.segmented_control(
        "Expression",
        [_MODEL, _RAW],
        default=_MODEL,
        key=f"{key}_gene_how",
        required=True,
        help=" ".join(f"{name}: {text}" for name, text in _HELP.items()),
    )
    found = cells.find_genes(dataset_id, text)
    if not text.strip():
        return None
    if not found:
        st.warning(f"No gene matches {literal(text, limit=60)}.", icon=":material/search_off:")
        return None
    gene = found[0]
    if len(found) > 1:
        picked = st.pills(
            "Genes found",
            found,
            default=found[0],
            format_func=lambda name: literal(cells.gene_label(dataset_id, name), limit=40),
            key=f"{key}_gene_{text}",
            label_visibility="collapsed",
        )
        gene = picked or found[0]
    label = cells.gene_label(dataset_id, gene)
    try:
        values = cells.counts(dataset_id, gene) if how == _RAW else _expected(run, gene)
    except StudioError as error:
        st.warning(literal(error, limit=300), icon=":material/info:")
        return None
    if values is None:
        return None
    return by_numbers(label, values, unit="log(1 + per 10,000 counts)", note=_HELP[how or _MODEL])


def _expected(run: RunRecord, gene: str) -> Numbers | None:
    if analysis_wait(run.run_id, "decoded", auto=True) is None:
        return None
    return services.current().cells.expression(run.run_id, gene)


# --- quality ---


def _loss(run: RunRecord) -> dict[str, Any] | None:
    found = analysis_wait(run.run_id, "cell_loss", auto=True)
    if found is None:
        return None
    return by_numbers(
        _LOSS,
        Numbers(np.asarray(found.array("excess"))),
        unit="robust SDs above cells with similar counts",
        note="High: the model reconstructs this cell worse than cells with a similar number of counts.",
    )
