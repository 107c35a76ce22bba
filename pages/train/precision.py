"""The precision of matrix products: float32, or bfloat16 together with what it changes on the chosen cells.

precision_choice()             # in the advanced settings
possible_precision()           # before the values are read: a device may not offer what an address asks for
precision_effect(spec)         # below the form while bfloat16 is chosen
"""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import PrecisionEffect, RunSpec
from backend.words import ago, count, percent
from pages.shared.literal import literal
from pages.shared.waiting import check_progress
from pages.train.draft import SETTINGS
from pages.train.fields import choice, key

EXACT = SETTINGS["precision"].default
_PROBLEM = "train_precision_problem"


def precision_choice() -> None:
    obstacle = _obstacle()
    choice("precision", [EXACT] if obstacle else None)
    if obstacle:
        st.caption(f":material/block: bfloat16 is not offered on this device. {literal(obstacle, limit=300)}")


def possible_precision() -> None:
    """Back to float32 where the device offers nothing else."""
    if st.session_state[key("precision")] != EXACT and _obstacle():
        st.session_state[key("precision")] = EXACT


def _obstacle() -> str:
    return services.current().checks.bfloat16_obstacle(st.session_state[key("accelerator")])


def precision_effect(spec: RunSpec) -> None:
    if spec.precision == EXACT:
        return
    checks = services.current().checks
    with st.container(border=True):
        st.markdown("**What bfloat16 changes on these cells**")
        effect = checks.precision(spec)
        if effect is not None:
            _show(effect)
        if problem := st.session_state.pop(_PROBLEM, None):
            st.error(literal(problem, limit=1000), icon=":material/error:")
        if not check_progress("precision"):
            if effect is None:
                st.caption(
                    "Not measured yet for these settings. Measuring takes some seconds; nothing is trained."
                )
            st.button(
                "Measure" if effect is None else "Measure again",
                key="train_measure_precision",
                icon=":material/speed:",
                on_click=_begin,
                args=(spec,),
                help="Computes one minibatch of the chosen cells in float32 and in bfloat16, compares loss and "
                "gradients, and times both.",
            )


def _begin(spec: RunSpec) -> None:
    try:
        services.current().checks.measure_precision(spec)
    except StudioError as error:
        st.session_state[_PROBLEM] = str(error)


def _show(effect: PrecisionEffect) -> None:
    with st.container(horizontal=True, gap="large"):
        st.metric(
            "Loss",
            f"{100 * effect.loss_change:+.4f} %",
            width="content",
            help="Of the same minibatch, against float32.",
        )
        st.metric(
            "Gradients",
            percent(effect.gradient_change, 2),
            width="content",
            help="How far the direction and length of the gradient differ from those of float32.",
        )
        st.metric(
            "Speed",
            f"{effect.speed:.2f} ×",
            width="content",
            help="Training steps per second, against float32.",
        )
    when = f"Measured {ago(effect.measured_at, time.time())} on a minibatch of {count(effect.cells)} cells."
    if effect.worth_it:
        st.caption(f":material/check_circle: {verdict(effect)} {when}")
    else:
        st.warning(f"{verdict(effect)} {when}", icon=":material/warning:")


def verdict(effect: PrecisionEffect) -> str:
    if effect.worth_it:
        return f"bfloat16 trains {effect.speed:.1f} times as fast here, at the cost of the differences above."
    if effect.speed > 0.95:
        return "Not recommended here: bfloat16 is about as fast as float32 on this computer, and less exact."
    return (
        "Not recommended here: bfloat16 is slower than float32 on this computer, and less exact. "
        "This processor multiplies float32 faster."
    )
