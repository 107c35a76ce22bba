"""The part of the training form everybody sees: data set, device, epochs, minibatch size."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.types import Accelerator, DatasetRef
from backend.words import count, sentence
from pages.shared.literal import literal
from pages.train.draft import MINIBATCH_SIZES
from pages.train.engine import recommended_size
from pages.train.presets import changed_cells, epochs_section
from pages.train.rate import follow_rule
from pages.train.state import Options, changed_dataset, chosen_dataset, key


def data_section(options: Options) -> None:
    st.subheader("Data", anchor=False)
    st.selectbox(
        "Data set",
        list(options.datasets),
        format_func=lambda dataset_id: _dataset_label(options.datasets[dataset_id]),
        key=key("dataset_id"),
        persist_state="session",
        on_change=_changed_dataset,
        args=(options,),
        help="The cells to learn from. Data sets appear here once they are prepared on the Data page.",
    )
    dataset = chosen_dataset(options)
    if dataset.simulated:
        st.badge(
            "Simulated: numbers made by a formula, not measured cells",
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
        help="The part of this computer that does the work. The Device page says how fast each was here.",
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
    follow_rule()


def _minibatch(dataset: DatasetRef) -> None:
    now = st.session_state[key("batch_size")]
    sizes = sorted({*MINIBATCH_SIZES, now})
    st.segmented_control(
        "Minibatch size (batch_size)",
        sizes,
        format_func=count,
        required=True,
        wrap=True,
        key=key("batch_size"),
        persist_state="session",
        help="How many cells the model looks at before each small correction. Larger is faster per epoch, "
        "with fewer corrections; 128 is what scvi-tools uses.",
    )
    steps = -(-int(dataset.n_obs * st.session_state[key("train_size")]) // now)
    if steps < 5:
        st.caption(
            f":material/info: With {count(dataset.n_obs)} cells this means only {steps} "
            f"correction{'s' if steps > 1 else ''} per epoch: choose a smaller minibatch or more epochs."
        )
    recommended_size(dataset)
