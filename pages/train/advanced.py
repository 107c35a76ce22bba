"""The folded part of the training form: batch and covariates, the model, how it is optimised."""

from __future__ import annotations

import streamlit as st

from backend.types import ColumnAdvice, DatasetRef, DatasetReport
from backend.words import counted, percent
from pages.shared.literal import code, literal
from pages.train.draft import SETTINGS
from pages.train.fields import choice, key, number, share, toggle
from pages.train.precision import precision_choice

ADVANCED = "train_advanced"
NO_BATCH_KEY = "None: treat all cells as one batch"


def advanced_section(dataset: DatasetRef, report: DatasetReport | None) -> None:
    columns = {c.column: c for c in report.columns} if report else {}
    folded = st.expander("Advanced settings", icon=":material/tune:", key=ADVANCED, on_change="rerun")
    if not folded.open:  # two dozen widgets that few look at would make every visit of the page slow
        return
    with folded:
        st.markdown("###### Batch and covariates")
        _batch_key(dataset, columns)
        _covariates(dataset, columns)
        st.markdown("###### Model")
        _model()
        st.markdown("###### Optimisation")
        _rate()
        _course()
        _schedule()
        precision_choice()


def _batch_key(dataset: DatasetRef, columns: dict[str, ColumnAdvice]) -> None:
    known = [
        name
        for name in dataset.obs_columns
        if columns.get(name) is None or columns[name].kind != "continuous"
    ]
    known.sort(key=lambda name: -(columns[name].score if name in columns else 0))
    one = SETTINGS["batch_key"]
    chosen = st.selectbox(
        one.label,
        [None, *known],
        format_func=lambda name: NO_BATCH_KEY if name is None else _with_levels(name, columns),
        key=key("batch_key"),
        persist_state="session",
        placeholder=NO_BATCH_KEY,  # what Streamlit shows for None
        help=one.help,
    )
    advice = columns.get(chosen) if chosen else None
    if advice is None:
        if chosen is None and not any(c.verdict == "recommended" for c in columns.values()):
            st.caption("No column of this data set looks like an experimental batch, so none is chosen.")
        return
    sentence = f"{code(advice.column)}: {literal(advice.reason, limit=300)}"
    if advice.verdict == "unsuitable":
        st.warning(sentence, icon=":material/warning:")
    else:
        st.caption(f":material/recommend: {sentence}" if advice.verdict == "recommended" else sentence)


def _with_levels(name: str, columns: dict[str, ColumnAdvice]) -> str:
    advice = columns.get(name)
    if advice is None:
        return name
    mark = {"recommended": ", recommended", "unsuitable": ", not suitable"}.get(advice.verdict, "")
    return f"{name} ({counted(advice.n_levels, 'level')}{mark})"


def _covariates(dataset: DatasetRef, columns: dict[str, ColumnAdvice]) -> None:
    batch_key = st.session_state[key("batch_key")]
    kinds: dict[str, list[str]] = {"categorical": [], "continuous": []}
    for name in dataset.obs_columns:
        if name != batch_key:
            kinds[columns[name].kind if name in columns else "categorical"].append(name)
    for side, (kind, names) in zip(st.columns(2), kinds.items(), strict=True):
        one = SETTINGS[f"{kind}_covariate_keys"]
        field = key(one.name)
        st.session_state[field] = [name for name in st.session_state[field] if name in names]
        side.multiselect(
            one.label,
            names,
            key=field,
            persist_state="session",
            placeholder="None" if names else "This data set has no such column",
            disabled=not names,
            help=one.help,
        )


def _model() -> None:
    choice("gene_likelihood")
    with st.container(horizontal=True):
        number("n_latent")
        number("n_hidden", step=16)
        number("n_layers")
    share("dropout_rate", step=0.05)


def _rate() -> None:
    def custom() -> None:
        st.session_state[key("lr_rule")] = "manual"

    rule, rate = st.columns([3, 1], vertical_alignment="bottom")
    with rule:
        choice("lr_rule")
    with rate:
        number("lr", step=0.0005, bare=True, on_change=custom)


def _course() -> None:
    share("train_size", step=0.01)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number("seed")
        number("check_val_every_n_epoch")
        number("n_epochs_kl_warmup")
    warmup, epochs = st.session_state[key("n_epochs_kl_warmup")], st.session_state[key("max_epochs")]
    if warmup > epochs:
        st.caption(
            f"The warm-up is longer than the run, so the KL weight reaches only {percent(epochs / warmup, 0)}."
            + (
                " That is the default of scvi-tools."
                if warmup == SETTINGS["n_epochs_kl_warmup"].default
                else ""
            )
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        toggle("early_stopping")
        number("early_stopping_patience", disabled=not st.session_state[key("early_stopping")])


def _schedule() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choice("lr_schedule")
        choice("output_start")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number("lr_warmup")
        number("lr_end", disabled=st.session_state[key("lr_schedule")] == "constant")
        number("norm_momentum")
    toggle("norm_recalibration")
