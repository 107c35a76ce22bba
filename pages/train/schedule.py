"""Controls of how the learning rate moves and where the model begins; scvi-tools' own values are the first ones.

schedule_controls()     # among the advanced settings
course_words()          # a sentence after that on the learning rate; empty where it stays
"""

from __future__ import annotations

import streamlit as st

from backend.words import percent
from pages.train.draft import CHOICES, LIMITS
from pages.train.state import key

SCHEDULE_WORDS = {
    "constant": "Stays the same (constant)",
    "linear": "Falls in a straight line (linear)",
    "cosine": "Falls slowly, fast, slowly (cosine)",
}
START_WORDS = {
    "random": "At random, as scvi-tools does (random)",
    "gene_means": "At the average of each gene (gene_means)",
}


def schedule_controls() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Learning rate over the run (lr_schedule)",
            CHOICES["lr_schedule"],
            format_func=SCHEDULE_WORDS.__getitem__,
            key=key("lr_schedule"),
            persist_state="session",
            help="Large corrections first and small ones later get there in fewer epochs.",
        )
        st.selectbox(
            "Where the output begins (output_start)",
            CHOICES["output_start"],
            format_func=START_WORDS.__getitem__,
            key=key("output_start"),
            persist_state="session",
            help="Beginning at the average of each gene saves the epochs that would be spent on learning it.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _share(
            "lr_warmup",
            "Rise at the start (lr_warmup)",
            "Over this part of the run the learning rate climbs to its value, so that the start is gentle.",
        )
        _share(
            "lr_end",
            "Rate left at the end (lr_end)",
            "What part of the learning rate is left at the end, where it falls.",
            disabled=st.session_state[key("lr_schedule")] == "constant",
        )
        _share(
            "norm_momentum",
            "Speed of averages (norm_momentum)",
            "How fast the averages that normalise the network follow the training. scvi-tools uses 0.01; "
            "0.1 suits runs of few epochs.",
        )


def course_words() -> str:
    schedule, rise = st.session_state[key("lr_schedule")], st.session_state[key("lr_warmup")]
    parts = [f"rises over the first {percent(rise)} of the run"] if rise else []
    if schedule != "constant":
        end = st.session_state[key("lr_end")]
        parts.append(f"falls to {f'{percent(end)} of it' if end else 'nothing'} by the end")
    return f". The rate {' and '.join(parts)}" if parts else ""


def _share(field: str, label: str, help_text: str, *, disabled: bool = False) -> None:
    low, high = LIMITS[field]
    st.number_input(
        label,
        low,
        high,
        step=0.05,
        format="%.3g",
        key=key(field),
        persist_state="session",
        help=help_text,
        disabled=disabled,
        width=220,
    )
