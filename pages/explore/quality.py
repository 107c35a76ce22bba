"""Can I trust it? Five plain questions about a trained model, each with a verdict, a picture and what to do.

The first two are answered by the curve at once; the others ask the model, on a button.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from backend import services
from backend.charts import (
    Judgement,
    excess_chart,
    gap_chart,
    judge_gap,
    judge_groups,
    judge_plateau,
    judge_predictive,
    judge_reencoding,
    observed_chart,
)
from backend.errors import StudioError
from backend.services import AnalysisResult
from backend.types import Groups, RunRecord
from backend.words import count
from pages.explore.groups import clusters_of, columns, without_model
from pages.run.curves import watched
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.waiting import analysis_wait

LOOKS = {
    "good": ("check_circle", "green"),
    "look closer": ("visibility", "orange"),
    "problem": ("error", "red"),
    "not known yet": ("help", "gray"),
}
KINDS = ("predictive", "cell_loss", "reencode")
_REFUSED = "trust_refused"


def trust_section(run: RunRecord) -> None:
    st.caption("Diagnostics of the trained model. Each says what was found and what to do.")
    if not run.imported_from:
        _ask_all(run)
    curves, dark = watched(run), _dark()
    with st.container(border=True):
        left, right = st.columns([2, 3], gap="medium")
        with left:
            _answer("Has training converged?", judge_plateau(curves, run.imported_from))
            _answer("Does the model generalise to held-out cells?", judge_gap(curves))
        with right:
            train, validation = curves["reconstruction_loss_train"], curves["reconstruction_loss_validation"]
            live_chart(
                gap_chart(train, validation, dark=dark, revision=run.run_id),
                key=f"gap-{run.run_id}",
                height=300,
            )
            st.caption(
                "Reconstruction loss; lower is better. The training loss is measured while the weights still change "
                "and with dropout, so it can be above the validation loss early on."
            )
    if without_model(run, "run the other diagnostics"):
        return
    with st.container(border=True):
        _predictive(run)
    with st.container(border=True):
        _cells(run)
    with st.container(border=True):
        _again(run)


def _ask_all(run: RunRecord) -> None:
    analyses = services.current().analyses
    missing = [kind for kind in KINDS if analyses.result(run.run_id, kind) is None]
    if len(missing) > 1 and not any(analyses.find(run.run_id, kind) for kind in missing):
        st.button(
            "Run all diagnostics",
            icon=":material/fact_check:",
            type="primary",
            help="Posterior predictive check, loss per cell and re-encoding; takes seconds to minutes.",
            on_click=_begin,
            args=(run.run_id, tuple(missing)),
            key=f"trust-all-{run.run_id}",
        )
    if refused := st.session_state.pop(_REFUSED, None):
        st.warning(literal(refused, limit=400), icon=":material/info:")


def _begin(run_id: str, kinds: tuple[str, ...]) -> None:
    try:
        for kind in kinds:
            services.current().analyses.request(run_id, kind)
    except StudioError as error:
        st.session_state[_REFUSED] = str(error)


def _answer(question: str, said: Judgement, more: str = "") -> None:
    icon, colour = LOOKS[said.verdict]
    st.markdown(f"**{question}**")
    st.badge(said.verdict, icon=f":material/{icon}:", color=colour)  # type: ignore[arg-type]
    st.markdown(literal(said.seen, limit=600) + (f" {more}" if more else ""))
    if said.advice:
        st.markdown(f":material/arrow_forward: {literal(said.advice, limit=600)}")


def _predictive(run: RunRecord) -> None:
    found = _found(run, "predictive", "Do simulated counts match the observed ones?", "Simulate counts")
    if found is None:
        return
    zeros = found.array("zeros_observed"), found.array("zeros_simulated")
    variance = found.array("variance_observed"), found.array("variance_simulated")
    _answer(
        "Do simulated counts match the observed ones?",
        judge_predictive(zeros, found.array("mean_observed"), variance),
    )
    genes = found.array("gene").tolist()
    left, right = st.columns(2, gap="small")
    for place, name, (observed, simulated), what, log in (
        (left, "zeros", zeros, "fraction of zeros", False),
        (right, "variance", variance, "variance of counts", True),
    ):
        with place:
            chart = observed_chart(
                genes, observed, simulated, what=what, log=log, dark=_dark(), revision=f"{run.run_id}-{name}"
            )
            live_chart(chart, key=f"predictive-{name}-{run.run_id}", height=320)
    st.caption(
        f"Posterior predictive check on {count(found.facts['n_cells'])} cells drawn at random; each point is a gene. "
        "On the diagonal, simulated and observed counts agree."
    )


def _cells(run: RunRecord) -> None:
    question = "Are some cells reconstructed poorly?"
    found = _found(run, "cell_loss", question, "Compute loss per cell")
    if found is None:
        return
    column = _group_column(run)
    groups = _groups(run, column)
    if groups is None:
        return
    excess = found.array("excess")
    said, flagged = judge_groups(excess, groups.codes, groups.levels)
    names = ", ".join(literal(name, limit=40) for name in flagged[:5])
    _answer(question, said, f"Worst: **{names}**." if names else "")
    live_chart(
        excess_chart(excess, groups.codes, groups.levels, dark=_dark(), revision=f"{run.run_id}-{column}"),
        key=f"excess-{run.run_id}",
        height=max(220, 110 + 24 * min(40, len(groups.levels))),
    )
    st.caption(
        "The loss grows with the number of counts, so each cell is compared with cells of similar depth, in robust "
        "standard deviations: 0 is typical, above 1 is worse than most. On the UMAP, colour by *Reconstruction loss "
        "per cell*."
    )


def _group_column(run: RunRecord) -> str:
    options = [*columns(run), *(["\0clusters"] if clusters_of(run.run_id) is not None else []), "\0all"]
    key = f"trust-column-{run.run_id}"
    if st.session_state.get(key) not in options:
        batch = run.spec.batch_key
        st.session_state[key] = batch if batch in options else options[0]
    return st.selectbox(
        "Groups of cells",
        options,
        format_func=lambda name: {"\0clusters": "Clusters", "\0all": "All cells"}.get(name, name),
        key=key,
        width=280,
        help="Batches show whether one experiment is reconstructed worse; labels show which cell type is.",
    )


def _groups(run: RunRecord, column: str) -> Groups | None:
    if column == "\0all":
        return Groups(np.zeros(run.n_obs, np.int32), ("all cells",), (run.n_obs,))
    if column == "\0clusters" and (found := clusters_of(run.run_id)) is not None:
        labels = services.current().analyses.names.of(run.run_id, found.options)
        assert labels is not None
        names = tuple(labels.groups)
        code = np.array([names.index(name) for name in labels.names])
        return Groups(code[found.array("labels")], names, tuple(0 for _ in names))
    try:
        groups = services.current().cells.column(run.spec.dataset_id, column)
    except StudioError as error:
        st.warning(literal(error, limit=300), icon=":material/error:")
        return None
    return groups if isinstance(groups, Groups) else None


def _again(run: RunRecord) -> None:
    question = "Is the latent space reproducible?"
    found = _found(run, "reencode", question, "Re-encode the cells")
    if found is None:
        return
    facts = found.facts
    _answer(question, judge_reencoding(facts["largest"], float(facts["spread"]), str(facts["device"])))


def _found(run: RunRecord, kind: str, question: str, button: str) -> AnalysisResult | None:
    """The result; while there is none, the question and what to press."""
    analyses = services.current().analyses
    if analyses.result(run.run_id, kind) is None:
        st.markdown(f"**{question}**")
    return analysis_wait(run.run_id, kind, button=button)


def _dark() -> bool:
    return st.context.theme.type == "dark"
