"""Setting up a duel: the cells, the epochs, two contestants. Ready to start with one click as it opens."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.services import QUICK_LOOK, USEFUL, available_engines, learning_rate, training_cells
from backend.types import Accelerator, DatasetRef, RunSpec
from backend.words import ago, count, engine_title, training_time
from pages.shared.actions import DOUBLE_CLICK_SECONDS, demo_dataset, flash, prepared_demo, succeeds
from pages.shared.literal import literal
from pages.train.draft import MINIBATCH_SIZES, starting_spec
from pages.train.estimate import REFRESH_SECONDS

_LAST = "duel_last"
Contestants = tuple[dict[str, Any], dict[str, Any]]
_DEMO = "demo"
_SIDES = ("one", "two")
EARLIER = 8


def duel_form() -> None:
    datasets: dict[str, DatasetRef | None] = {d.dataset_id: d for d in services.current().datasets.prepared()}
    if prepared_demo() is None:
        datasets[_DEMO] = None
    with st.container(border=True):
        cells, passes = st.columns([3, 2], gap="medium")
        dataset_id = cells.selectbox(
            "Data set",
            list(datasets),
            format_func=lambda key: _dataset_label(datasets[key]),
            key="duel_dataset",
            help="Both runs train on these cells, with the same validation cells.",
        )
        with passes:
            epochs = _epochs()
        base = _base(datasets[dataset_id], epochs)
        contestants = _contestants(base)
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            if st.button(
                "Start the duel", type="primary", icon=":material/sports_score:", key="duel-start"
            ) and succeeds(lambda: _start(datasets[dataset_id], epochs, contestants), "duel-start"):
                st.rerun()
            if datasets[dataset_id] is not None:
                _estimate(base, contestants)
        flash("duel-start")


def _dataset_label(dataset: DatasetRef | None) -> str:
    if dataset is None:
        return "Blood cells (example data)"
    kind = ", simulated" if dataset.simulated else ""
    return f"{dataset.name} · {count(dataset.n_obs)} cells × {count(dataset.n_vars)} genes{kind}"


def _epochs() -> int:
    presets = {QUICK_LOOK: f"Quick look · {QUICK_LOOK}", USEFUL: f"Useful · {USEFUL}", 100: "Long · 100"}
    chosen = st.segmented_control(
        "Epochs",
        list(presets),
        default=USEFUL,
        required=True,
        format_func=presets.__getitem__,
        key="duel_epochs",
        help="Both runs train for the same number of epochs.",
    )
    return int(chosen or USEFUL)


def _base(dataset: DatasetRef | None, epochs: int) -> RunSpec:
    if dataset is None:
        return RunSpec("", accelerator="cpu", max_epochs=epochs)
    report = services.current().datasets.report(dataset.source_id)
    return starting_spec(dataset, report, "cpu", "scvi-tools").replace(max_epochs=epochs)


def _contestants(base: RunSpec) -> Contestants:
    found = services.current().devices.accelerators()
    here = {a.name: a for a in found if a.available}
    suggested = services.current().groups.suggested_contestants()
    chosen = []
    columns = st.columns(2, gap="medium")
    for column, changes, side, title in zip(columns, suggested, _SIDES, ("Run A", "Run B"), strict=True):
        with column.container(border=True):
            st.markdown(f"**{title}**")
            chosen.append(_contestant(side, base.replace(**changes), here))
    missing = [a for a in found if not a.available]
    if missing:
        said = " ".join(f"**{literal(a.label)}:** {literal(a.reason, limit=200)}" for a in missing)
        st.caption(f":material/block: Not available on this computer: {said}")
    return chosen[0], chosen[1]


def _contestant(side: str, suggested: RunSpec, here: dict[str, Accelerator]) -> dict[str, Any]:
    """What one side changes. The suggestions are the fields' defaults: values set through the session state would
    be lost with a click that comes before the browser has been told of them."""
    device = next(iter(here))
    if len(here) > 1:
        device = st.selectbox(
            "Device",
            list(here),
            index=list(here).index(suggested.accelerator) if suggested.accelerator in here else 0,
            format_func=lambda name: here[name].label,
            key=f"duel_device_{side}",
            help="The Devices page lists the available devices and why others are not available.",
        )
    engine = st.selectbox(
        "Engine",
        list(available_engines()),
        index=available_engines().index(suggested.engine),
        format_func=engine_title,
        key=f"duel_engine_{side}",
        help="Both train the same model; the fused engine needs less time.",
    )
    size = st.select_slider(
        "Minibatch size (batch_size)",
        sorted({*MINIBATCH_SIZES, suggested.batch_size}),  # few cells start with a smaller one than the usual
        value=suggested.batch_size,
        format_func=count,
        key=f"duel_size_{side}",
        help="Cells per optimiser step; the learning rate is scaled with it. Use the same size to compare devices.",
    )
    return {"accelerator": device, "engine": engine, "batch_size": size}


def _start(dataset: DatasetRef | None, epochs: int, contestants: Contestants) -> None:
    if dataset is None:
        with st.spinner("Preparing the example data"):
            dataset = demo_dataset()
    base = _base(dataset, epochs)
    n_train = training_cells(base.train_size, dataset.n_obs)
    one, two = (
        {**changes, "lr": learning_rate(changes["batch_size"], "linear", n_train), "lr_rule": "linear"}
        for changes in contestants
    )
    start_duel(base, (one, two))


def start_duel(base: RunSpec, contestants: Contestants) -> None:
    """Begin a duel and open it; a double click opens the one that the first click began."""
    last = st.session_state.get(_LAST)
    asked = (base, repr(contestants))
    if last is not None and last[0] == asked and time.monotonic() - last[2] < DOUBLE_CLICK_SECONDS:
        group_id = last[1]
    else:
        group_id = services.current().groups.duel(base, contestants, _name(base, contestants)).group_id
        st.session_state[_LAST] = (asked, group_id, time.monotonic())
    st.query_params.from_dict({"tab": "duel", "group": group_id})


def _name(base: RunSpec, contestants: Contestants) -> str:
    """ "CPU vs. MPS · Blood cells": what differs, then the cells."""
    one, two = (base.replace(**changes) for changes in contestants)
    said: tuple[list[str], list[str]] = ([], [])
    for name, words in (("accelerator", str.upper), ("engine", str), ("batch_size", "minibatch {}".format)):
        if getattr(one, name) != getattr(two, name):
            for side, spec in zip(said, (one, two), strict=True):
                side.append(words(getattr(spec, name)))
    versus = " vs. ".join(" ".join(side) for side in said) if said[0] else "Duel"
    taken = {group.name for group in services.current().groups.list()}
    name = base_name = f"{versus} · {base.dataset_name or 'cells'}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base_name} ({number})"
    return name


def _estimate(base: RunSpec, contestants: Contestants) -> None:
    specs = [base.replace(**changes) for changes in contestants]
    runs = services.current().runs
    try:
        refresh = min((REFRESH_SECONDS.get(runs.estimate(spec).source, 99.0) for spec in specs), default=99.0)
    except StudioError as error:
        st.caption(f":material/info: {literal(error, limit=600)}")
        return

    @st.fragment(run_every=refresh if refresh < 99 else None)
    def line() -> None:
        estimates = [runs.estimate(spec) for spec in specs]
        seconds = [e.seconds_total for e in estimates if e.seconds_total is not None]
        in_all = [e.seconds_in_all for e in estimates if e.seconds_in_all is not None]
        if len(seconds) == len(specs):
            takes = training_time(sum(seconds), sum(in_all) if len(in_all) == len(specs) else None)
            st.caption(f"{takes.capitalize()}, one run after the other.")
        elif any(e.source == "measuring" for e in estimates):
            st.caption("Measuring the speed of this computer…")
        else:
            st.caption("The runs train one after the other, so that neither slows down the other.")
        if refresh < 99 and not any(e.source in REFRESH_SECONDS for e in estimates):
            st.rerun()

    line()


def earlier_duels() -> None:
    duels = [group for group in services.current().groups.list() if group.kind == "duel"]
    if not duels:
        return
    st.subheader("Earlier duels", anchor=False)
    now = time.time()
    with st.container(border=True):
        for group in duels[:EARLIER]:
            with st.container(
                horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
            ):
                st.page_link(
                    "compare/page.py",
                    label=literal(group.name, limit=80),
                    icon=":material/sports_score:",
                    query_params={"tab": "duel", "group": group.group_id},
                )
                st.caption(ago(group.created_at, now), width="content")
