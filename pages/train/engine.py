"""The engine, beside the device, and what the self-check of this computer recommends for it.

engine_choice(engines)        # in the box of the device
recommended_device()          # below it: another one was faster
recommended_size(dataset)     # below the minibatch size
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend import services
from backend.types import DatasetRef, DeviceCheck
from backend.words import count, factor
from pages.shared.literal import literal
from pages.train.state import key

ENGINE_WORDS = {"fused": "Fused: fast", "stock": "Stock: scvi-tools as it comes"}
ENGINE_SENTENCES = {
    "fused": "The same model and the same losses as stock, to rounding, in a fraction of the time.",
    "stock": "scvi-tools unchanged: the yardstick, several times slower on a CPU.",
}
LEAST_STEPS = 5  # corrections an epoch: larger minibatches are not recommended


def engine_choice(engines: Sequence[str]) -> None:
    if len(engines) < 2:
        return
    st.segmented_control(
        "Engine",
        engines,
        format_func=lambda name: ENGINE_WORDS.get(name, name),
        required=True,
        wrap=True,
        key=key("engine"),
        persist_state="session",
        help="The program that does the training. Both give the same kind of model, which plain scvi-tools opens.",
    )
    st.caption(ENGINE_SENTENCES.get(st.session_state[key("engine")], ""))


def recommended_device() -> None:
    """Says so where another device passed its self-check and trained faster than the chosen one."""
    chosen = st.session_state[key("accelerator")]
    checks = services.current().checks
    best = checks.recommendation()
    if best is None or best.accelerator == chosen or st.session_state[key("engine")] != "fused":
        return
    labels = {a.name: a.label for a in services.current().devices.accelerators()}
    here = checks.device(chosen)
    fast = best.speed("fused", best.batch_size)
    slow = here.speed("fused", here.batch_size) if here else None
    times = f" {factor(fast / slow)} times as fast as the {labels[chosen]}" if fast and slow else " fastest"
    with st.container(horizontal=True, vertical_alignment="center"):
        label = literal(labels[best.accelerator])
        st.caption(f":material/speed: The {label} passed its self-check and trained{times}.", width="content")
        st.button(
            f"Use {label}",
            key="train_recommended_device",
            on_click=_take,
            args=("accelerator", best.accelerator),
            help="Sets the device that the self-checks on the Device page found to train fastest.",
        )


def recommended_size(dataset: DatasetRef) -> None:
    """What the self-check measured on the chosen device, with a button that takes it over."""
    checks = services.current().checks
    chosen, size = st.session_state[key("accelerator")], st.session_state[key("batch_size")]
    if st.session_state[key("engine")] != "fused":
        return
    check = checks.device(chosen)
    if check is None:
        st.page_link(
            "device/page.py", label="Find out which minibatch size is fastest here", icon=":material/speed:"
        )
        return
    if not check.batch_size or check.batch_size == size or not _sensible(check.batch_size, dataset):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/speed: {sentence(check, size)}", width="content")
        st.button(
            f"Use {count(check.batch_size)}",
            key="train_recommended",
            on_click=_take,
            args=("batch_size", check.batch_size),
            help="Sets the minibatch size that the self-check on the Device page found. "
            "The learning rate follows by its rule.",
        )


def _sensible(size: int, dataset: DatasetRef) -> bool:
    """Whether an epoch still has some corrections with minibatches of this size."""
    return dataset.n_obs * st.session_state[key("train_size")] / size >= LEAST_STEPS


def sentence(check: DeviceCheck, size: int) -> str:
    assert check.batch_size is not None
    fast, now = check.speed("fused", check.batch_size), check.speed("fused", size)
    text = f"Fastest in the self-check: {count(check.batch_size)}"
    if fast and now:
        return f"{text}, {factor(fast / now)} times the cells per second of {count(size)}."
    return f"{text}."


def _take(field: str, value: object) -> None:
    st.session_state[key(field)] = value
