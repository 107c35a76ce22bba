"""Named courses of training in the form: what each sets, and the learning rate that it comes to.

    epochs_section(dataset)       # the choice of a preset, what it means, the number of epochs
    follow_rule(dataset)          # below the minibatch size: the learning rate, and where it comes from
    changed_cells(dataset)        # another data set: what the preset sets may depend on its size

A preset fills the widgets; afterwards each can be changed, and the choice then says "Custom".
"""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from backend.services import FORMER_PRESETS, PRESETS, former_preset, learning_rate, preset, training_cells
from backend.types import DatasetRef
from backend.words import count, counted, percent
from pages.train.draft import SETTINGS
from pages.train.fields import key, number
from pages.train.state import PRESET

OWN = "own"
_RULES = {
    "linear": "Linear scaling with the minibatch size: 0.001 × {size} / 128",
    "sqrt": "Square-root scaling with the minibatch size: 0.001 × √({size} / 128)",
    "fixed": "The default of scvi-tools, whatever the minibatch size",
    "manual": "Custom, whatever the minibatch size",
}
_WORDS = {"recommended": "Recommended", "quick": "Quick look", "scvi-tools": "scvi-tools defaults"}
_FORMER = {"fast": "Fast", "useful": "Useful", "thorough": "Thorough"}
_SAID = {
    "recommended": "On four data sets a lower ELBO than 400 epochs of the scvi-tools defaults, "
    "ten times sooner: {epochs}.",
    "quick": "The same course in {epochs}: enough to see whether data and batch key are right.",
    "scvi-tools": "The defaults of scvi-tools to the letter: {epochs}, its own heuristic for this number of cells.",
}


def epochs_section(dataset: DatasetRef) -> None:
    presets = _presets(dataset)
    _settle(presets)
    words = {name: f"{_WORDS[name]} · {presets[name]['max_epochs']}" for name in PRESETS}
    if (chosen := st.session_state[key(PRESET)]) in FORMER_PRESETS:
        words[chosen] = f"{_FORMER[chosen]} (earlier version)"
    words[OWN] = "Custom"

    def own_number() -> None:
        st.session_state[key(PRESET)] = None

    choice, beside = st.columns([3, 1], vertical_alignment="bottom")
    with choice:
        chosen = st.segmented_control(
            "Epochs",
            list(words),
            format_func=words.__getitem__,
            required=True,
            wrap=True,
            key=key(PRESET),
            persist_state="session",
            on_change=_chosen,
            args=(dataset,),
            help=f"{SETTINGS['max_epochs'].help} Each of these also sets minibatch size, learning rate and its "
            "schedule, KL warm-up and batch normalisation, which can be changed below and among the advanced settings.",
        )
    with beside:
        number("max_epochs", bare=True, on_change=own_number)
    if chosen in _SAID:
        epochs = counted(presets[chosen]["max_epochs"], "epoch")
        st.caption(_SAID[chosen].format(epochs=epochs))


def follow_rule(dataset: DatasetRef) -> None:
    """Set the rate by the rule, and say so."""
    size, rule = st.session_state[key("batch_size")], st.session_state[key("lr_rule")]
    n_train = training_cells(st.session_state[key("train_size")], dataset.n_obs)
    if rule != "manual":
        st.session_state[key("lr")] = learning_rate(size, rule, n_train)
    why = _RULES[rule].format(size=count(min(size, n_train)))
    st.caption(
        f"Learning rate **{st.session_state[key('lr')]:.4g}**. {why}{schedule_words()}. "
        "It can be changed among the advanced settings."
    )


def schedule_words() -> str:
    """A sentence after that on the learning rate; empty where it stays."""
    schedule, rise = st.session_state[key("lr_schedule")], st.session_state[key("lr_warmup")]
    parts = [f"rises over the first {percent(rise)} of the run"] if rise else []
    if schedule != "constant":
        end = st.session_state[key("lr_end")]
        parts.append(f"falls to {f'{percent(end)} of it' if end else '0'} by the end")
    return f". The rate {' and '.join(parts)}" if parts else ""


def changed_cells(dataset: DatasetRef) -> None:
    if (chosen := st.session_state.get(key(PRESET))) in PRESETS:
        _fill(preset(chosen, dataset.n_obs))


def _presets(dataset: DatasetRef) -> dict[str, dict[str, Any]]:
    """What each sets; those of earlier versions last, so that they are recognised and nothing else."""
    former = {name: former_preset(name, dataset.n_obs) for name in FORMER_PRESETS}
    return {name: preset(name, dataset.n_obs) for name in PRESETS} | former


def _settle(presets: dict[str, dict[str, Any]]) -> None:
    """Before the widgets are drawn: the choice is the preset that the values are."""
    chosen = st.session_state.get(key(PRESET))
    if chosen not in presets or not _holds(presets[chosen]):
        st.session_state[key(PRESET)] = next((name for name in presets if _holds(presets[name])), OWN)


def _chosen(dataset: DatasetRef) -> None:
    """Callback of the choice."""
    if (name := st.session_state[key(PRESET)]) in PRESETS:
        _fill(preset(name, dataset.n_obs))


def _fill(sets: dict[str, Any]) -> None:
    for field, value in sets.items():
        st.session_state[key(field)] = 0 if value is None else value


def _holds(sets: dict[str, Any]) -> bool:
    """Whether the form's values are these. How a rate came about does not matter."""
    return all(
        _same(st.session_state[key(field)], value) for field, value in sets.items() if field != "lr_rule"
    )


# What a widget holds is of the type of its setting.
def _same(shown: Any, value: Any) -> bool:
    return math.isclose(shown, value) if isinstance(value, float) else shown == value
