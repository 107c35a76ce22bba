"""This computer: a card for each kind of device, how fast each was in the runs so far, memory and software."""

from __future__ import annotations

from statistics import median

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Accelerator, RunRecord
from backend.words import memory_size
from pages.shared.literal import literal

ICONS = {"cpu": "memory", "mps": "laptop_mac", "cuda": "developer_board"}


def accelerator_cards() -> None:
    devices = services.current().devices
    accelerators = devices.accelerators()
    try:
        suggested = devices.resolve("auto").name
    except StudioError:
        suggested = ""
    with st.grid(3, min_column_width=300):
        for accelerator in accelerators:
            with st.container(border=True, height="stretch"):
                _card(accelerator, suggested == accelerator.name)


def _card(accelerator: Accelerator, suggested: bool) -> None:
    icon = ICONS.get(accelerator.name, "memory")
    st.markdown(f"#### :material/{icon}: {literal(accelerator.label)}")
    with st.container(horizontal=True):
        if accelerator.available:
            st.badge("available", icon=":material/check_circle:", color="green")
            if suggested:
                st.badge("default", icon=":material/star:", color="blue")
        else:
            st.badge("not available", icon=":material/block:", color="gray")
    if accelerator.device_name:
        st.markdown(literal(accelerator.device_name, limit=200))
    if accelerator.memory_bytes:
        st.caption(f"{memory_size(accelerator.memory_bytes)} of memory")
    if accelerator.reason:
        st.markdown(literal(accelerator.reason, limit=400))
    if accelerator.remedy:
        st.caption(f":material/build: {literal(accelerator.remedy, limit=400)}")


def measured_speed() -> None:
    st.subheader("Measured training speed", anchor=False)
    runs = services.current().runs.list()
    rows = speed_rows(runs)
    if rows:
        st.dataframe(
            rows,
            hide_index=True,
            column_config={
                "Cells per second": st.column_config.NumberColumn(format="localized"),
                "Minibatch size": st.column_config.NumberColumn(format="localized"),
                "Genes": st.column_config.NumberColumn(format="localized"),
            },
        )
        st.caption(
            "Cells per second: median over all runs with the same device, engine, data set and minibatch size. Speed "
            "decreases with the number of genes."
        )
    else:
        st.caption("No runs yet. Each run adds its speed to this table.")


def speed_rows(runs: list[RunRecord]) -> list[dict[str, str | int]]:
    """One row for each device, engine, data set and minibatch size that ran here, fastest first."""
    groups: dict[tuple[str, str, str, int, int], list[float]] = {}
    for run in runs:
        if run.cells_per_second:
            group = (
                ", ".join(filter(None, (run.device.upper(), run.device_name))),
                run.environment.get("engine") or run.spec.engine,
                run.spec.dataset_name,
                run.n_vars,
                run.spec.batch_size,
            )
            groups.setdefault(group, []).append(run.cells_per_second)
    rows: list[dict[str, str | int]] = [
        {
            "Device": device,
            "Engine": engine,
            "Data": dataset,
            "Genes": genes,
            "Minibatch size": batch_size,
            "Cells per second": round(median(speeds)),
            "Runs": len(speeds),
        }
        for (device, engine, dataset, genes, batch_size), speeds in groups.items()
    ]
    return sorted(rows, key=lambda row: -int(row["Cells per second"]))


def machine_facts() -> None:
    st.subheader("This computer", anchor=False)
    devices = services.current().devices
    used, available, total = devices.memory()
    facts = [
        ("Total memory", memory_size(total)),
        ("Available", memory_size(available)),
        ("Used by scVI Studio", memory_size(used)),
    ]
    with st.grid(3, min_column_width=180):
        for label, value in facts:
            st.metric(label, value, border=True)
    threads = services.current().settings.threads
    machine = devices.machine() | {
        "Threads for training": str(threads)
        if threads
        else "chosen by PyTorch (set SCVI_STUDIO_THREADS to change)"
    }
    with st.container(border=True), st.grid(2, min_column_width=320, gap="small"):
        for name, value in machine.items():
            st.markdown(f":gray[{literal(name)}]  \n{literal(value, limit=200)}")
