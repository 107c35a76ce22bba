"""Named courses of training in the form: what each sets, the number of epochs, and the learning rate they come to.

    epochs_section(dataset)       # the choice of a preset, what it means, the number of epochs
    follow_rule(dataset)          # below the minibatch size: the learning rate, and where it comes from
    changed_cells(dataset)        # another data set: what the preset sets may depend on its size

A preset fills the widgets; afterwards each can be changed, and the choice then says "Custom".
"""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from backend.services import learning_rate, preset, training_cells
from backend.types import DatasetRef, RunSpec
from backend.words import count, percent
from pages.train.draft import SETTINGS
from pages.train.fields import key, number
from pages.train.state import PRESET

OWN = "own"
_COURSE = "train_course"  # the preset chosen last: "fast" sets more than others, to be put back
_RULES = {
    "linear": "Linear scaling with the minibatch size: 0.001 × {size} / 128",
    "sqrt": "Square-root scaling with the minibatch size: 0.001 × √({size} / 128)",
    "fixed": "The default of scvi-tools, whatever the minibatch size",
    "manual": "Custom, whatever the minibatch size",
}
_WORDS = {"quick": "Quick look", "fast": "Fast", "useful": "Useful", "thorough": "Thorough"}


def epochs_section(dataset: DatasetRef) -> None:
    presets = {name: preset(name, dataset.n_obs) for name in _WORDS}
    words = {name: f"{_WORDS[name]} · {sets['max_epochs']}" for name, sets in presets.items()}
    words[OWN] = "Custom"
    _settle(presets)

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
            help=f"{SETTINGS['max_epochs'].help} Fast also sets the learning rate and its schedule; the others only "
            "the number of epochs. Thorough is what scvi-tools recommends for this number of cells.",
        )
    with beside:
        number("max_epochs", bare=True, on_change=own_number)
    if chosen == "fast":
        st.caption(f":material/bolt: {fast_sentence(presets['fast'])}")


def fast_sentence(sets: dict[str, Any]) -> str:
    return (
        f"Fast gives a useful model soonest: {sets['max_epochs']} epochs of minibatches of "
        f"{count(sets['batch_size'])} cells, at a high learning rate ({sets['lr']:g}) that decays to 0, with output "
        "biases at the average of each gene. The other choices train with the defaults of scvi-tools."
    )


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
    if st.session_state.get(key(PRESET)) == "fast":
        _fill(preset("fast", dataset.n_obs))


def _settle(presets: dict[str, dict[str, Any]]) -> None:
    """Before the widgets are drawn: the choice says what the values are, or the values what the choice says."""
    chosen = st.session_state.get(key(PRESET))
    if chosen == "fast":
        if not _holds(presets["fast"]):
            st.session_state[key(PRESET)] = OWN
    elif chosen in presets:
        _fill(presets[chosen])
    elif chosen is None:
        held = [name for name in ("fast", "quick", "useful", "thorough") if _holds(presets[name])]
        st.session_state[key(PRESET)] = held[0] if held else OWN
        if held[:1] == ["fast"]:
            st.session_state[_COURSE] = "fast"


def _chosen(dataset: DatasetRef) -> None:
    """Callback of the choice."""
    name = st.session_state[key(PRESET)]
    if name not in _WORDS:
        return
    if name != "fast" and st.session_state.get(_COURSE) == "fast":  # what it had set goes back
        usual = RunSpec(dataset_id="").to_dict()
        _fill({field: usual[field] for field in preset("fast", dataset.n_obs)})
    _fill(preset(name, dataset.n_obs))
    st.session_state[_COURSE] = name


def _fill(sets: dict[str, Any]) -> None:
    for field, value in sets.items():
        st.session_state[key(field)] = 0 if value is None else value


def _holds(sets: dict[str, Any]) -> bool:
    """Whether the form's values are these."""
    return all(_same(st.session_state[key(field)], value) for field, value in sets.items())


# What a widget holds is of the type of its setting.
def _same(shown: Any, value: Any) -> bool:
    return math.isclose(shown, value) if isinstance(value, float) else shown == value
