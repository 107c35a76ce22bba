"""The part of the training form everybody sees: data set, device, minibatch size, epochs, learning rate."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.services import learning_rate
from backend.types import Accelerator, DatasetRef
from pages.components.amounts import count
from pages.components.literal import literal
from pages.components.train_draft import LIMITS, LR_RULES, MINIBATCH_SIZES
from pages.components.train_form_engine import recommended_size
from pages.components.train_form_presets import changed_cells, epochs_section
from pages.components.train_form_schedule import course_words
from pages.components.train_form_state import Options, changed_dataset, chosen_dataset, key

RULE_WORDS = {
    "linear": "Grows with the minibatch size (linear)",
    "sqrt": "Grows with its square root",
    "fixed": "Fixed at 0.001",
    "manual": "My own number",
}
RULE_SENTENCES = {
    "linear": "0.001 × {size} / 128 = **{rate:.4g}**",
    "sqrt": "0.001 × √({size} / 128) = **{rate:.4g}**",
    "fixed": "**0.001** whatever the minibatch size, the value scvi-tools uses",
    "manual": "your own number; choose a rule above to go back",
}


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
        st.caption(literal(notice, limit=300))


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
        captions=[
            literal(" ".join(filter(None, (a.device_name, a.warning))), limit=300) for a in here.values()
        ],
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
            st.caption(f":material/block: **{literal(accelerator.label)}**, not available here.  \n{why}")


def _suggested(here: dict[str, Accelerator]) -> str:
    suggested = services.current().devices.resolve("auto").name
    return suggested if suggested in here else next(iter(here))


def training_section(dataset: DatasetRef) -> None:
    st.subheader("Training", anchor=False)
    epochs_section(dataset)
    _minibatch(dataset)
    _learning_rate()


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


def _learning_rate() -> None:
    rule_key, rate_key = key("lr_rule"), key("lr")
    size = st.session_state[key("batch_size")]
    rule = st.session_state[rule_key]
    if rule != "manual":
        st.session_state[rate_key] = learning_rate(size, rule)

    def own_rate() -> None:
        st.session_state[rule_key] = "manual"

    choice, number = st.columns([3, 1], vertical_alignment="bottom")
    with choice:
        st.selectbox(
            "Learning rate",
            LR_RULES,
            format_func=RULE_WORDS.__getitem__,
            key=rule_key,
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
            key=rate_key,
            persist_state="session",
            on_change=own_rate,
            label_visibility="collapsed",
        )
    sentence = RULE_SENTENCES[rule].format(size=count(size), rate=st.session_state[rate_key])
    st.caption(f"{sentence}{course_words()}")
