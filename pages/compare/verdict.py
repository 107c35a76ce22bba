"""What a comparison comes to, in words: the recommended setting and why, the ways on from there, and how fair it was.

verdict(comparison)              # a box with every sentence
recommendation(comparison)       # the recommended setting alone
ways_on(comparison)              # links: side by side, and the check of the biology
fair_play(comparison)            # what is unlike that should not be
"""

from __future__ import annotations

import streamlit as st

from backend.types import Comparison
from backend.words import finding_sentence
from pages.compare.side.results import MOST
from pages.shared.literal import literal

_RULE = (
    "The recommended run is the fastest of those whose final loss is as low as the best one. The final loss is that "
    "of the last epoch, as of the model that is kept."
)


def verdict(comparison: Comparison, title: str = "Verdict") -> None:
    if not comparison.verdict:
        return
    with st.container(border=True):
        st.markdown(f"#### :material/gavel: {title}")
        _say(comparison)
        rest = [sentence for sentence in comparison.verdict if sentence != comparison.recommendation]
        st.markdown("\n".join(f"- {literal(sentence, limit=700)}" for sentence in rest))
        if comparison.best_setting is not None:
            st.caption(_RULE)


def recommendation(comparison: Comparison) -> None:
    if comparison.best_setting is not None:
        with st.container(border=True, gap="small"):
            _say(comparison)
            st.caption(_RULE)


def ways_on(comparison: Comparison) -> None:
    ids = side_runs(comparison)
    if len(ids) < 2:
        return
    st.page_link(
        "compare/page.py",
        label="All results, side by side",
        icon=":material/stacked_line_chart:",
        query_params={"tab": "side", "runs": ",".join(ids)},
    )
    st.page_link(
        "compare/page.py",
        label="Compare embeddings",
        icon=":material/diversity_2:",
        help="Does the faster setting change the biology? Compares clusters, neighbours, labels and batches of the "
        "recommended "
        "and the slowest run.",
        query_params={"tab": "side", "runs": ",".join(biology_runs(comparison)), "show": "biology"},
    )


def side_runs(comparison: Comparison) -> list[str]:
    """All of them, or where they are too many those that matter: recommended, unbeaten, slowest, then the rest."""
    ids = [run.run_id for run in comparison.runs]
    if len(ids) <= MOST:
        return ids
    first = [comparison.recommended, *comparison.front, comparison.reference, *ids]
    kept = set(list(dict.fromkeys(one for one in first if one))[:MOST])
    return [one for one in ids if one in kept]


def biology_runs(comparison: Comparison) -> list[str]:
    """The recommended run and the slowest; where they are the same one, it and the fastest."""
    timed = [run for run in comparison.runs if run.steady_seconds]
    fastest = min(timed, key=lambda run: run.steady_seconds or 0.0).run_id if timed else ""
    order = [comparison.reference, comparison.recommended, fastest, *(run.run_id for run in comparison.runs)]
    return list(dict.fromkeys(one for one in order if one))[:2]


def _say(comparison: Comparison) -> None:
    if comparison.best_setting is not None:
        what, why = literal(comparison.best_setting.label, limit=200), literal(comparison.why, limit=600)
        st.markdown(f":material/star: **Recommended: {what}.** {why}", width="stretch")


_LOOK = {"unfair": ("error", "block"), "caution": ("warning", "warning"), "note": ("info", "info")}
_AFFECTS = {("time",): "Affects times.", ("loss",): "Affects losses.", ("time", "loss"): ""}


def fair_play(comparison: Comparison, *, severities: tuple[str, ...] = tuple(_LOOK)) -> None:
    """One box a severity, worst first; where nothing was found, that is said too."""
    if len(comparison.runs) < 2:
        return
    if comparison.fair:
        st.success(
            "**Fair comparison:** same cells, split, epochs and validation, and no known disturbance of the "
            "computer.",
            icon=":material/balance:",
        )
    for severity in severities:
        kind, icon = _LOOK[severity]
        found = [finding for finding in comparison.findings if finding.severity == severity]
        if not found:
            continue
        lines = [
            f"{literal(finding_sentence(finding), limit=500)} {_AFFECTS.get(finding.affects, '')}".strip()
            for finding in found
        ]
        title = {"unfair": "Not a fair comparison", "caution": "Caution", "note": "Note"}[severity]
        text = (
            f"**{title}:** {lines[0]}"
            if len(lines) == 1
            else f"**{title}**\n" + "".join(f"\n- {x}" for x in lines)
        )
        {"error": st.error, "warning": st.warning, "info": st.info}[kind](text, icon=f":material/{icon}:")
