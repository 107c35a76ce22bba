"""The part of the training form everybody sees: data set, device and engine, epochs, minibatch size.

Beside the device and the minibatch size stands what the self-check of this computer recommends.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend import services
from backend.types import Accelerator, DatasetRef, DeviceCheck
from backend.words import count, counted, factor, sentence
from pages.shared.literal import literal
from pages.train.draft import MINIBATCH_SIZES, SETTINGS
from pages.train.fields import key
from pages.train.presets import changed_cells, epochs_section, follow_rule
from pages.train.state import Options, changed_dataset, chosen_dataset

LEAST_STEPS = 5  # steps an epoch: larger minibatches are not recommended
_ENGINES = {
    "fused": "The same model and the same losses as scvi-tools, to rounding, in a fraction of the time.",
    "stock": "scvi-tools unchanged, the reference; several times slower on a CPU.",
}


def data_section(options: Options) -> None:
    st.subheader("Data", anchor=False)
    st.selectbox(
        SETTINGS["dataset_id"].label,
        list(options.datasets),
        format_func=lambda dataset_id: _dataset_label(options.datasets[dataset_id]),
        key=key("dataset_id"),
        persist_state="session",
        on_change=_changed_dataset,
        args=(options,),
        help=SETTINGS["dataset_id"].help,
    )
    dataset = chosen_dataset(options)
    if dataset.simulated:
        st.badge(
            "Simulated counts, not measured cells",
            icon=":material/science:",
            color="orange",
        )
    for notice in dataset.notices:
        st.caption(literal(sentence(notice), limit=300))


def _changed_dataset(options: Options) -> None:
    changed_dataset(options)
    changed_cells(chosen_dataset(options))


def _dataset_label(dataset: DatasetRef) -> str:
    kind = ", simulated" if dataset.simulated else ""
    return f"{dataset.name} · {count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes{kind}"


def device_section() -> None:
    st.subheader("Device", anchor=False)
    accelerators = services.current().devices.accelerators()
    here = {a.name: a for a in accelerators if a.available}
    missing = [a for a in accelerators if not a.available]
    if st.session_state.get(key("accelerator")) not in here:
        st.session_state[key("accelerator")] = _suggested(here)
    st.radio(
        "Train on",
        list(here),
        format_func=lambda name: here[name].label,
        captions=[literal(a.device_name, limit=300) for a in here.values()],
        key=key("accelerator"),
        persist_state="session",
        help=SETTINGS["accelerator"].help,
    )
    if missing:
        _missing(missing)


def _missing(accelerators: list[Accelerator]) -> None:
    with st.container(gap="small"):
        for accelerator in accelerators:
            why = literal(f"{accelerator.reason} {accelerator.remedy}".strip(), limit=500)
            st.caption(f":material/block: **{literal(accelerator.label)}** is not available. {why}")


def _suggested(here: dict[str, Accelerator]) -> str:
    suggested = services.current().devices.resolve("auto").name
    return suggested if suggested in here else next(iter(here))


def training_section(dataset: DatasetRef) -> None:
    st.subheader("Training", anchor=False)
    epochs_section(dataset)
    _minibatch(dataset)
    follow_rule(dataset)


def _minibatch(dataset: DatasetRef) -> None:
    now = st.session_state[key("batch_size")]
    sizes = sorted({*MINIBATCH_SIZES, now})
    st.segmented_control(
        SETTINGS["batch_size"].label,
        sizes,
        format_func=count,
        required=True,
        wrap=True,
        key=key("batch_size"),
        persist_state="session",
        help=SETTINGS["batch_size"].help,
    )
    steps = -(-int(dataset.n_obs * st.session_state[key("train_size")]) // now)
    if steps < 5:
        st.caption(
            f":material/info: With {count(dataset.n_obs)} cells this means only {counted(steps, 'optimiser step')} "
            "per epoch: choose a smaller minibatch or more epochs."
        )
    recommended_size(dataset)


def engine_choice(engines: Sequence[str]) -> None:
    if len(engines) < 2:
        return
    st.segmented_control(
        SETTINGS["engine"].label,
        engines,
        format_func=SETTINGS["engine"].choices.__getitem__,
        required=True,
        wrap=True,
        key=key("engine"),
        persist_state="session",
        help=SETTINGS["engine"].help,
    )
    st.caption(_ENGINES.get(st.session_state[key("engine")], ""))


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
            help="Sets the device that the self-checks on the Devices page found to train fastest.",
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
        st.caption(f":material/speed: {fastest_size(check, size)}", width="content")
        st.button(
            f"Use {count(check.batch_size)}",
            key="train_recommended",
            on_click=_take,
            args=("batch_size", check.batch_size),
            help="Sets the minibatch size that the self-check on the Devices page found. "
            "A learning rate that is not custom follows by its rule.",
        )


def _sensible(size: int, dataset: DatasetRef) -> bool:
    """Whether an epoch still has some steps with minibatches of this size."""
    n_train: float = dataset.n_obs * st.session_state[key("train_size")]
    return n_train / size >= LEAST_STEPS


def fastest_size(check: DeviceCheck, size: int) -> str:
    assert check.batch_size is not None
    fast, now = check.speed("fused", check.batch_size), check.speed("fused", size)
    text = f"Fastest in the self-check: {count(check.batch_size)}"
    if fast and now:
        return f"{text}, {factor(fast / now)} times the cells per second of {count(size)}."
    return f"{text}."


def _take(field: str, value: object) -> None:
    st.session_state[key(field)] = value
