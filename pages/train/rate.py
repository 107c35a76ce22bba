"""The learning rate: it follows the minibatch size by a rule, which is told to everybody and changed by few.

follow_rule()       # below the minibatch size: the rate, and where it comes from
rate_controls()     # among the advanced settings: the rule, or a number of one's own
"""

from __future__ import annotations

import streamlit as st

from backend.services import learning_rate
from backend.words import count
from pages.train.draft import LIMITS, LR_RULES
from pages.train.schedule import course_words
from pages.train.state import key

RULE_WORDS = {
    "linear": "Grows with the minibatch size (linear)",
    "sqrt": "Grows with its square root (sqrt)",
    "fixed": "Fixed at 0.001 (fixed)",
    "manual": "My own number",
}
RULE_SENTENCES = {
    "linear": "It grows with the minibatch size: 0.001 × {size} / 128",
    "sqrt": "It grows with the square root of the minibatch size: 0.001 × √({size} / 128)",
    "fixed": "It is the one scvi-tools uses, whatever the minibatch size",
    "manual": "It is your own number, whatever the minibatch size",
}


def follow_rule() -> None:
    """Set the rate by the rule, and say so."""
    size, rule = st.session_state[key("batch_size")], st.session_state[key("lr_rule")]
    if rule != "manual":
        st.session_state[key("lr")] = learning_rate(size, rule)
    why = RULE_SENTENCES[rule].format(size=count(size))
    st.caption(
        f"Learning rate **{st.session_state[key('lr')]:.4g}**. {why}{course_words()}. "
        "Other rules are among the advanced settings."
    )


def rate_controls() -> None:
    def own_rate() -> None:
        st.session_state[key("lr_rule")] = "manual"

    choice, number = st.columns([3, 1], vertical_alignment="bottom")
    with choice:
        st.selectbox(
            "Learning rate (lr)",
            LR_RULES,
            format_func=RULE_WORDS.__getitem__,
            key=key("lr_rule"),
            persist_state="session",
            help="How large each correction is. Larger minibatches are corrected less often, so each "
            "correction is made larger to keep up.",
        )
    with number:
        st.number_input(
            "The learning rate as a number",
            *LIMITS["lr"],
            step=0.0005,
            format="%.5f",
            key=key("lr"),
            persist_state="session",
            on_change=own_rate,
            label_visibility="collapsed",
        )
