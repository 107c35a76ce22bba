"""Did the faster setting change my biology? Clusters, neighbours, labels and batches of the runs, beside each loss."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Agreement, Comparison, Job, JobState, RunRecord
from backend.words import METRICS, agreement_sentences, counted, percent
from pages.shared.actions import attempt
from pages.shared.label_boxes import label_boxes
from pages.shared.literal import literal


def biology(comparison: Comparison, runs: Sequence[RunRecord]) -> None:
    with st.container(border=True):
        st.markdown("#### :material/diversity_2: Compare embeddings")
        st.markdown(
            "Does the faster setting change the biology? Compares the latent spaces of the runs on the same cells: "
            "clusters, "
            "nearest neighbours, separation of labels and batch mixing."
        )
        comparer = services.current().comparer
        ids = comparer.measurable([run.run_id for run in runs])
        if len({run.spec.dataset_id for run in runs}) > 1:
            st.info(
                "These runs use different data sets. Select runs on one data set to compare their embeddings."
            )
            return
        if len(ids) < 2:
            st.info("Needs at least two finished runs with a model on this computer.", icon=":material/info:")
            return
        if len(ids) < len(runs):
            st.caption(
                f"{len(runs) - len(ids)} of the runs are excluded: their models are not on this computer."
            )
        with st.container(horizontal=True):
            batch, label = label_boxes(next(run for run in runs if run.run_id in ids), key="biology")
        watching = _under_way(ids, label, batch)
        st.fragment(_measured, run_every=1.0 if watching else None)(comparison, ids, label, batch, watching)


def _jobs(ids: Sequence[str], label: str | None, batch: str | None) -> list[Job]:
    analyses = services.current().analyses
    found = [analyses.find(run_id, "agreement", label=label, batch=batch) for run_id in ids]
    return [job for job in found if job is not None]


def _under_way(ids: Sequence[str], label: str | None, batch: str | None) -> bool:
    return any(not job.is_over for job in _jobs(ids, label, batch))


def _measured(
    comparison: Comparison, ids: list[str], label: str | None, batch: str | None, watching: bool
) -> None:
    if _under_way(ids, label, batch) != watching:
        st.rerun()  # the whole page once, so that the asking begins or ends
    comparer = services.current().comparer
    try:
        found = comparer.agreement(ids, label=label, batch=batch, reference=comparison.reference)
    except StudioError as error:
        st.error(literal(error, limit=600))
        return
    if found is not None:
        _show(comparison, found)
        return
    jobs = _jobs(ids, label, batch)
    working = [job for job in jobs if not job.is_over]
    if working:
        done = sum(job.state is JobState.DONE for job in jobs)
        part = (done + sum(job.progress or 0.0 for job in working)) / len(ids)
        now = next((job for job in working if job.state is JobState.WORKING), None)
        what = now.phase if now and now.phase else "queued"
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(min(1.0, part), text=f"{done} of {len(ids)} runs compared · {literal(what)}")
            st.button(
                "Cancel", icon=":material/cancel:", on_click=_cancel, args=(working,), key="biology-cancel"
            )
        return
    for job in jobs:
        if job.problem is not None:
            st.error(literal(job.problem.message, limit=600), icon=":material/error:")
    st.button(
        "Compare embeddings",
        icon=":material/diversity_2:",
        type="primary",
        help="Uses the same cells of each run, up to 5,000; a few seconds per run. The result is kept.",
        on_click=attempt,
        args=(lambda: comparer.measure_agreement(ids, label=label, batch=batch),),
        key="biology-start",
    )


def _cancel(jobs: Sequence[Job]) -> None:
    for job in jobs:
        services.current().analyses.cancel(job.job_id)


def _show(comparison: Comparison, found: Agreement) -> None:
    names = {run.run_id: run.label for run in comparison.runs}
    said = agreement_sentences(found, names)
    st.markdown("\n".join(f"- {literal(sentence, limit=500)}" for sentence in said))
    st.dataframe(
        biology_frame(comparison, found),
        hide_index=True,
        placeholder="–",
        column_config={
            "Run": st.column_config.TextColumn(width="medium", pinned=True),
            f"Final {METRICS[comparison.metric].words}": st.column_config.NumberColumn(
                format="%.2f", help="Lower is better."
            ),
            "ARI (clusters)": st.column_config.NumberColumn(
                format="%.2f",
                help="Adjusted Rand index of the clusters with the reference run; 1: identical, 0: chance.",
            ),
            "Shared neighbours": st.column_config.NumberColumn(
                format="percent", help="Fraction of the 15 nearest neighbours shared with the reference run."
            ),
            "Label purity": st.column_config.NumberColumn(
                format="percent",
                help="Fraction of the neighbours with the same label (kNN purity). Higher is better.",
            ),
            "Silhouette": st.column_config.NumberColumn(
                format="%.2f", help="Separation of the labels, from -1 to 1. Higher is better."
            ),
            "Batch mixing": st.column_config.NumberColumn(
                format="%.2f",
                help="Entropy of batches among neighbours; 1: fully mixed, 0: unmixed.",
            ),
        },
        alt="Agreement of clusters and neighbours, label separation and batch mixing of each run",
    )
    st.caption(
        f"Reference: {literal(names[found.reference])}, on {counted(found.n_cells, 'cell')}; unrelated models would "
        f"share {percent(found.chance_neighbours, 1)} of neighbours. Even the same settings with another seed do not "
        "agree fully: compare such a run as well to see how much is chance."
    )


def biology_frame(comparison: Comparison, found: Agreement) -> pd.DataFrame:
    rows = []
    for run in found.runs:
        compared = comparison.run(run.run_id)
        itself = run.run_id == found.reference
        rows.append(
            {
                "Run": f"{compared.label} (reference)" if itself else compared.label,
                f"Final {METRICS[comparison.metric].words}": compared.last,
                "ARI (clusters)": run.same_clusters,
                "Shared neighbours": run.shared_neighbours,
                "Clusters": run.n_clusters,
                "Label purity": run.same_label,
                "Silhouette": run.silhouette,
                "Batch mixing": run.mixing,
            }
        )
    frame = pd.DataFrame(rows)
    return frame.dropna(axis="columns", how="all")
