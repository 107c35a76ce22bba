"""The self-check of each device that is there: are its numbers right, how fast is it, what is recommended."""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.charts import device_chart
from backend.errors import StudioError
from backend.types import Accelerator, DeviceCheck, Finding
from backend.words import ago, count, duration, percent
from pages.shared.literal import literal
from pages.shared.live_chart import live_chart
from pages.shared.waiting import check_progress

_PROBLEM = "device_check_problem"
HELP = (
    "Compares loss and gradients of a small fixed problem with a double-precision reference on the CPU, then trains on "
    "simulated cells for a few seconds."
)


def self_checks() -> None:
    st.subheader("Self-check", anchor=False)
    st.caption(
        "Does each device compute correct results, and at which minibatch size is it fastest? A check takes about half "
        "a minute; queued runs start after it."
    )
    for accelerator in services.current().devices.accelerators():
        if accelerator.available:
            with st.container(border=True):
                _device(accelerator)


def _device(accelerator: Accelerator) -> None:
    check = services.current().checks.device(accelerator.name)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.markdown(f"**{literal(accelerator.label)}**", width="content")
            _badge(check)
            if check is not None:
                st.caption(f"checked {ago(check.checked_at, time.time())}", width="content")
        waits = services.current().checks.state(accelerator.name)
        if waits is None or waits.problem:
            st.button(
                "Check now" if check is None else "Check again",
                key=f"device_check_{accelerator.name}",
                icon=":material/fact_check:" if check is None else ":material/refresh:",
                type="primary" if check is None else "secondary",
                help=HELP,
                on_click=_begin,
                args=(accelerator.name,),
            )
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(literal(problem, limit=1000), icon=":material/error:")
    check_progress(accelerator.name)
    if check is not None:
        _found(check)


def _begin(name: str) -> None:
    try:
        services.current().checks.check_device(name)
    except StudioError as error:
        st.session_state[_PROBLEM] = str(error)


def _badge(check: DeviceCheck | None) -> None:
    if check is None:
        st.badge("not checked yet", icon=":material/help:", color="gray")
    elif check.passed:
        st.badge("passed", icon=":material/check_circle:", color="green")
    else:
        st.badge("failed", icon=":material/error:", color="red")


def _found(check: DeviceCheck) -> None:
    sentence, advice = verdict(check), recommendation(check)
    if not check.passed:
        st.error(sentence, icon=":material/error:")
    else:
        st.markdown(f"{sentence} {advice}")
    if check.speeds:
        live_chart(
            device_chart(check, dark=st.context.theme.type == "dark"),
            key=f"device-speeds-{check.accelerator}",
            height=260,
        )
        st.caption(
            f"Training on simulated cells with {count(check.n_vars)} genes, {percent(check.density, 0)} of the counts "
            f"non-zero, without validation. The check took {duration(check.seconds)}."
        )
    if check.batch_size:
        st.page_link(
            "train/page.py",
            label="Train with this engine and minibatch size",
            icon=":material/model_training:",
            query_params={
                "accelerator": check.accelerator,
                "engine": "fused",
                "batch_size": str(check.batch_size),
            },
        )
    with st.expander("Compared values", icon=":material/rule:"):
        st.dataframe([row(finding) for finding in check.findings], hide_index=True)
        st.caption(
            "Largest relative deviation from the reference, over the loss of all cells and all gradients. Up to 0.01 % "
            "passes; float32 rounding alone gives about 0.0001 %."
        )


def verdict(check: DeviceCheck) -> str:
    """Pass or fail, in words (Markdown)."""
    wrong = [finding for finding in check.findings if not finding.passed]
    if not wrong:
        return f"All {len(check.findings)} comparisons passed: this device computes correct results."
    names = ", ".join(f"{finding.likelihood} by the {finding.engine} engine" for finding in wrong)
    stock_is_right = all(finding.engine != "stock" for finding in wrong)
    instead = "with the stock engine or on another device" if stock_is_right else "on another device"
    return (
        f"{len(wrong)} of {len(check.findings)} comparisons failed: {names}. "
        f"Train {instead}; runs on this device carry a warning. Updating PyTorch or the driver may help; then check "
        "again."
    )


def recommendation(check: DeviceCheck) -> str:
    """Which engine and minibatch size to use, and what that gains (Markdown)."""
    fast, usual = check.speed("fused", check.batch_size), check.speed("stock", 128)
    if not check.batch_size or not fast:
        return ""
    text = (
        f"Fastest on this device: the fused engine with a minibatch size of **{count(check.batch_size)}**: "
        f"{count(fast)} cells per second"
    )
    if usual:
        text += f", {fast / usual:.1f}x the reference (scvi-tools, minibatch size 128)"
    return f"{text}. The Train page recommends it for data sets with enough cells."


def row(finding: Finding) -> dict[str, str]:
    def share(error: float | None) -> str:
        return "–" if error is None else "not a number" if error == float("inf") else percent(error, 5)

    return {
        "Likelihood": finding.likelihood,
        "Engine": finding.engine,
        "Result": "passed" if finding.passed else finding.problem or "failed",
        "Loss deviation": share(finding.loss_error),
        "Gradient deviation": share(finding.gradient_error),
    }
