"""Named courses of training in the form: what each sets, and the number of epochs, which everybody sees.

    epochs_section(dataset)       # the choice of a preset, what it means, the number of epochs
    changed_cells(dataset)        # another data set: what the preset sets may depend on its size

A preset fills the widgets; afterwards each can be changed, and the choice then says that the course is one's own.
"""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from backend.services import preset
from backend.types import DatasetRef, RunSpec
from backend.words import count
from pages.train.draft import LIMITS
from pages.train.state import PRESET, key

OWN = "own"
_COURSE = "train_course"  # the preset chosen last: "fast" sets more than others, to be put back
_WORDS = {"quick": "Quick look", "fast": "Fast", "useful": "Useful", "thorough": "Thorough"}


def epochs_section(dataset: DatasetRef) -> None:
    presets = {name: preset(name, dataset.n_obs) for name in _WORDS}
    words = {name: f"{_WORDS[name]} · {sets['max_epochs']}" for name, sets in presets.items()}
    words[OWN] = "Own number"
    _settle(presets)

    def own_number() -> None:
        st.session_state[key(PRESET)] = None

    choice, number = st.columns([3, 1], vertical_alignment="bottom")
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
            help="An epoch is one pass through all cells. More epochs give a better model and take longer. "
            "Fast also sets how the model learns; the others only say how long. "
            "Thorough is what scvi-tools recommends for this number of cells.",
        )
    low, high = LIMITS["max_epochs"]
    with number:
        st.number_input(
            "Number of epochs",
            int(low),
            int(high),
            key=key("max_epochs"),
            persist_state="session",
            on_change=own_number,
            label_visibility="collapsed",
        )
    if chosen == "fast":
        st.caption(f":material/bolt: {fast_sentence(presets['fast'])}")


def fast_sentence(sets: dict[str, Any]) -> str:
    return (
        f"Fast gives a useful model soonest: {sets['max_epochs']} epochs of minibatches of "
        f"{count(sets['batch_size'])} cells, at a high learning rate ({sets['lr']:g}) that falls to nothing, "
        "starting from the average of each gene. The other choices learn as scvi-tools does by default."
    )


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


def _same(shown: Any, value: Any) -> bool:
    return math.isclose(shown, value) if isinstance(value, float) else shown == value
