"""The form that becomes a ``RunSpec`` and, at the press of Train, a run.

train_form()        # the whole page: data and settings left, what will happen and the button right
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend import services
from backend.services import available_engines
from backend.types import DatasetRef, RunSpec
from backend.words import count, counted
from pages.shared.actions import flash, launch, succeeds
from pages.shared.literal import code, literal
from pages.train.advanced import advanced_section
from pages.train.basic import (
    data_section,
    device_section,
    engine_choice,
    recommended_device,
    training_section,
)
from pages.train.column_check import column_check
from pages.train.draft import SETTINGS, within_limits
from pages.train.estimate import estimate_panel
from pages.train.fields import key
from pages.train.precision import possible_precision, precision_effect
from pages.train.sources import unprepared_sources
from pages.train.state import Options, adopt_address, chosen_dataset, write_address


def train_form() -> None:
    st.title("Train a model", anchor=False)
    datasets = {dataset.dataset_id: dataset for dataset in services.current().datasets.prepared()}
    if not datasets:
        _nothing_to_train_on()
        return
    options = Options(datasets, services.current().devices.resolve("auto").name, tuple(available_engines()))
    adopt_address(options)
    form, summary = st.columns([2, 1], gap="medium")
    with form:
        with st.container(border=True):
            data_section(options)
            unprepared_sources()
        dataset = chosen_dataset(options)
        with st.container(border=True):
            device_section()
            engine_choice(options.engines)
            recommended_device()
        with st.container(border=True):
            training_section(dataset)
        possible_precision()
        advanced_section(dataset, options.report(dataset.dataset_id))
        spec = read_spec(dataset)
        precision_effect(spec)
    write_address(spec, options.start(dataset.dataset_id))
    with summary.container(border=True):
        _summary(spec, dataset)


def read_spec(dataset: DatasetRef) -> RunSpec:
    """What the widgets say. The browser is not trusted to keep the limits, so they are applied again."""
    shown = {name: st.session_state[key(name)] for name in SETTINGS}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in shown.items()
    }
    values |= {
        "dataset_id": dataset.dataset_id,
        "dataset_name": dataset.name,
        "n_epochs_kl_warmup": values["n_epochs_kl_warmup"] or None,
    }
    return within_limits(RunSpec(**values))


def _summary(spec: RunSpec, dataset: DatasetRef) -> None:
    st.subheader("What will happen", anchor=False)
    st.markdown(in_words(spec, dataset))
    estimate_panel(spec)
    suited = column_check(spec)
    active = services.current().runs.in_the_way(spec.accelerator)
    label, icon = ("Train", "play_arrow") if active is None else ("Add to queue", "playlist_add")
    icon, refused = f":material/{icon}:", not suited
    if st.button(label, type="primary", icon=icon, width="stretch", key="train_submit", disabled=refused):
        begun: list[str] = []
        if succeeds(lambda: begun.append(launch(spec)), "train-submit"):
            st.query_params.from_dict({"run": begun[0]})
            st.rerun()
    flash("train-submit")
    if active is not None:
        ahead = 1 + len(services.current().runs.queue())
        st.caption(
            f"{literal(active.name, limit=60)} is training. This run starts after it"
            + (f" and {ahead - 1} more." if ahead > 1 else ".")
        )


def in_words(spec: RunSpec, dataset: DatasetRef) -> str:
    """The run as a sentence or two of Markdown."""
    device = next(a.label for a in services.current().devices.accelerators() if a.name == spec.accelerator)
    text = (
        f"Trains scVI on {count(dataset.n_obs)} cells for **{counted(spec.max_epochs, 'epoch')}** on the {device}, in "
        f"minibatches of {count(spec.batch_size)} cells, with a latent space of "
        f"{counted(spec.n_latent, 'dimension')}."
    )
    if spec.batch_key:
        text += f" Corrects for batch effects between the levels of {code(spec.batch_key)}."
    return text


def _nothing_to_train_on() -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.markdown("## :material/table_view:")
        st.subheader("No data set is ready yet", anchor=False)
        st.markdown(
            "In a new workspace the built-in blood cells are ready after some seconds, and this page goes on "
            "by itself. Load your own file on the Data page."
        )
        st.page_link("data/page.py", label="Go to Data", icon=":material/arrow_forward:")
        unprepared_sources()
    _go_on_when_ready()


@st.fragment(run_every=1)
def _go_on_when_ready() -> None:
    if services.current().datasets.prepared():
        st.rerun()
