"""The form of a new sweep: one click starts the full default one. Says first how many runs and how long.

sweep_form()
axes = sweep_axes("new", plan)      # the values a ``SweepPlan`` takes; also for adding points to a sweep
"""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from backend import services
from backend.errors import BadInput, StudioError
from backend.services import available_engines
from backend.types import DatasetRef, SweepEstimate, SweepPlan
from backend.words import about, count, counted, engine_title, memory_size, sentence
from pages.shared.actions import flash, succeeds
from pages.shared.literal import literal
from pages.train.draft import MINIBATCH_SIZES, SETTINGS, starting_spec

RULES = {rule: label for rule, label in SETTINGS["lr_rule"].choices.items() if rule != "manual"}
MOST_SEEDS = 10
NOTHING = "Nothing else"
_EXAMPLES = {
    "n_latent": "5, 10, 20",
    "n_hidden": "64, 128, 256",
    "n_layers": "1, 2",
    "dropout_rate": "0, 0.1, 0.2",
    "lr": "0.0005, 0.001, 0.002",
    "train_size": "0.8, 0.9",
    "max_epochs": "5, 10, 20",
}
_CHOICES = ("gene_likelihood", "precision")
_LABELS = {name: SETTINGS[name].label for name in (*_EXAMPLES, *_CHOICES)} | {
    "lr": "Learning rate at 128 cells (lr)"
}


def sweep_axes(form: str, start: SweepPlan) -> dict[str, Any]:
    """Draw the widgets; ``form`` keeps two forms apart, ``start`` is what they show at first."""
    sizes = sorted({*MINIBATCH_SIZES, *start.batch_sizes})
    batch_sizes = st.pills(
        "Minibatch sizes (batch_size)",
        sizes,
        selection_mode="multi",
        default=list(start.batch_sizes),
        format_func=count,
        key=f"sweep-{form}-sizes",
        help="Cells per optimiser step. One run is trained for each size.",
    )
    left, right = st.columns(2)
    with left:
        engines = st.pills(
            "Engines",
            list(available_engines()),
            selection_mode="multi",
            default=[one for one in start.engines if one in available_engines()],
            format_func=engine_title,
            key=f"sweep-{form}-engines",
            help="scvi-tools is the reference. Fused trains the same model in less time.",
        )
        rules = st.pills(
            "Learning-rate scaling",
            list(RULES),
            selection_mode="multi",
            default=list(start.lr_rules),
            format_func=RULES.__getitem__,
            key=f"sweep-{form}-rules",
            help=SETTINGS["lr_rule"].help,
        )
    with right:
        here = {one.name: one.label for one in services.current().devices.accelerators() if one.available}
        accelerators = st.pills(
            "Devices",
            list(here),
            selection_mode="multi",
            default=[one for one in start.accelerators if one in here],
            format_func=here.__getitem__,
            key=f"sweep-{form}-devices",
            help="The available devices. The Devices page says why others are not available.",
        )
        seeds = st.number_input(
            "Replicates (seeds)",
            1,
            MOST_SEEDS,
            value=max(start.seeds) + 1 if max(start.seeds) < MOST_SEEDS else 1,
            key=f"sweep-{form}-seeds",
            help="Runs with different random seeds show how much the loss varies by chance; the sweep takes as many "
            "times longer.",
        )
    more = _own_sizes(form)
    return {
        "batch_sizes": tuple(sorted({*batch_sizes, *more})),
        "engines": tuple(engines),
        "lr_rules": tuple(rules),
        "accelerators": tuple(accelerators),
        "seeds": tuple(range(seeds)),
    }


def other_axis(form: str) -> dict[str, tuple[Any, ...]]:
    """Additional setting. Raises ``BadInput`` for what is not a list of values."""
    left, right = st.columns(2)
    name = left.selectbox(
        "Additional setting",
        [NOTHING, *_LABELS],
        format_func=lambda one: _LABELS.get(one, one),
        key=f"sweep-{form}-other",
        help="Every value is combined with every size, engine and scaling, so the number of runs multiplies.",
    )
    if name in _CHOICES:
        choices = SETTINGS[name].choices
        chosen = right.pills(
            "Values",
            list(choices),
            selection_mode="multi",
            default=list(choices)[:2],
            format_func=choices.__getitem__,
            key=f"sweep-{form}-choices-{name}",
        )
        return {name: tuple(chosen)}
    if name in _EXAMPLES:
        text = right.text_input(
            "Values",
            _EXAMPLES[name],
            key=f"sweep-{form}-values-{name}",
            help="Numbers separated by commas.",
        )
        return {name: numbers(text, name)}
    return {}


def numbers(text: str, name: str) -> tuple[Any, ...]:
    """``"5, 10"`` as values of a setting, each once; a sentence for anything else."""
    try:
        values = [SETTINGS[name].read(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise BadInput(str(error)) from None
    return tuple(dict.fromkeys(values))


def _own_sizes(form: str) -> tuple[int, ...]:
    text = st.text_input(
        "Other minibatch sizes",
        placeholder="for example 64, 8192",
        key=f"sweep-{form}-more-sizes",
        help="Additional sizes, separated by commas.",
    )
    try:
        return numbers(text or "", "batch_size")
    except BadInput as error:
        st.error(str(error), icon=":material/error:")
        return ()


DEFAULT_EPOCHS = 5
_LAST = "sweep_launched"
_DOUBLE_CLICK_SECONDS = 3.0


def sweep_form() -> None:
    datasets = {dataset.dataset_id: dataset for dataset in services.current().datasets.prepared()}
    if not datasets:
        st.info(
            "No prepared data set yet. In a new workspace the example data is ready after a few seconds, and this page "
            "continues by itself. Load your own file on the Data page.",
            icon=":material/table_view:",
        )
        st.page_link("data/page.py", label="Go to Data", icon=":material/arrow_forward:")
        _go_on_when_ready()
        return
    settings, summary = st.columns([2, 1], gap="medium")
    try:
        with settings.container(border=True):
            plan = _plan(datasets)
    except BadInput as error:
        summary.error(literal(error, limit=400), icon=":material/error:")
        return
    with summary.container(border=True):
        st.subheader("Summary", anchor=False)
        _announce(plan)


@st.fragment(run_every=1)
def _go_on_when_ready() -> None:
    if services.current().datasets.prepared():
        st.rerun()


def _plan(datasets: dict[str, DatasetRef]) -> SweepPlan:
    st.subheader("New sweep", anchor=False)
    data, passes = st.columns([3, 1])
    dataset_id = data.selectbox(
        "Data set",
        list(datasets),
        format_func=lambda one: _label(datasets[one]),
        key="sweep-new-data",
        help="All runs of the sweep train on this data set.",
    )
    epochs = passes.number_input(
        "Epochs",
        1,
        10_000,
        DEFAULT_EPOCHS,
        key="sweep-new-epochs",
        help="Epochs of each run. The published table used 5.",
    )
    dataset = datasets[dataset_id]
    device = services.current().devices.resolve("auto").name
    report = services.current().datasets.report(dataset.source_id)
    base = starting_spec(dataset, report, device, "scvi-tools")  # as the published table
    base = base.replace(max_epochs=int(epochs))
    plan = SweepPlan(base, accelerators=(device,))
    plan = plan.replace(**sweep_axes("new", plan))
    with st.expander("More settings to vary", icon=":material/tune:", key="sweep-new-more"):
        return plan.replace(other=other_axis("new"))


def _label(dataset: DatasetRef) -> str:
    kind = ", simulated" if dataset.simulated else ""
    return f"{dataset.name} · {count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes{kind}"


def _announce(plan: SweepPlan) -> None:
    try:
        estimate = services.current().groups.estimate(plan)
    except StudioError as error:
        st.error(literal(error, limit=600), icon=":material/error:")
        return
    st.markdown(
        f"**{counted(estimate.runs, 'run')}**, one after the other, on the same "
        "cells with the same training/validation split. You can close this page; the sweep can be paused and "
        "extended at any time."
    )
    _how_long(plan)
    for notice in estimate.notices:
        st.caption(f":material/info: {literal(sentence(notice), limit=300)}")
    if not estimate.fits:
        st.warning(
            f"The largest run needs about {memory_size(estimate.memory_bytes)} of memory, more than is available.",
            icon=":material/memory:",
        )
    busy = services.current().runs.active() is not None
    pressed = st.button(
        "Add the sweep to the queue" if busy else "Start the sweep",
        type="primary",
        icon=":material/playlist_add:" if busy else ":material/play_arrow:",
        width="stretch",
        key="sweep-start",
    )
    if pressed and succeeds(lambda: _start(plan), "sweep-start"):
        st.rerun()
    flash("sweep-start")


@st.fragment(run_every=1.5)
def _how_long(plan: SweepPlan) -> None:
    """Asked again while the speed is being measured."""
    try:
        st.markdown(in_words(services.current().groups.estimate(plan)))
    except StudioError:
        return  # the page says why


def in_words(estimate: SweepEstimate) -> str:
    if estimate.seconds is not None:
        return (
            f":material/timer: {about(estimate.seconds).capitalize()} in total, as measured on this computer."
        )
    if estimate.measuring:
        return ":material/timer: The speed of this computer is being measured…"
    return ":material/timer: Time estimates appear after the first runs."


def _start(plan: SweepPlan) -> None:
    last = st.session_state.get(_LAST)
    if last is not None and last[0] == plan and time.monotonic() - last[2] < _DOUBLE_CLICK_SECONDS:
        group_id = last[1]  # the second click of a double click
    else:
        group_id = services.current().groups.sweep(plan).group_id
        st.session_state[_LAST] = (plan, group_id, time.monotonic())
    st.query_params["group"] = group_id
