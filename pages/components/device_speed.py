"""How fast each device was here: from earlier runs, or measured now on the built-in data."""

from __future__ import annotations

from statistics import median

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Accelerator, RunRecord, RunSpec
from pages.components.amounts import count
from pages.components.launch import demo_dataset
from pages.components.literal import literal

_MEASURING = "device_measuring"


def measured_speed() -> None:
    st.subheader("Measured speed", anchor=False)
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
            "Cells trained on per second: the middle value of all runs with the same device, engine, data and "
            "minibatch size. More genes make every cell slower."
        )
    seen = {run.device.split(":")[0] for run in runs if run.cells_per_second}
    for accelerator in services.current().devices.accelerators():
        if accelerator.available and accelerator.name not in seen:
            _measure_now(accelerator)


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


def _measure_now(accelerator: Accelerator) -> None:
    with st.container(border=True):
        st.markdown(f"**{accelerator.label}**: no run has used it yet.")
        if st.session_state.get(_MEASURING) == accelerator.name:
            _measuring(accelerator)
        elif st.button(
            "Measure now",
            key=f"device_measure_{accelerator.name}",
            icon=":material/speed:",
            help="Trains on the built-in data for a few seconds, without keeping anything.",
        ):
            st.session_state[_MEASURING] = accelerator.name
            st.rerun()


@st.fragment(run_every=1)
def _measuring(accelerator: Accelerator) -> None:
    try:
        dataset = demo_dataset()
        spec = RunSpec(dataset_id=dataset.dataset_id, dataset_name=dataset.name, accelerator=accelerator.name)
        estimate = services.current().runs.estimate(spec)
    except StudioError as error:
        st.error(literal(error, limit=1000), icon=":material/error:")
        return
    if estimate.seconds_per_epoch:
        speed = dataset.n_obs * spec.train_size / estimate.seconds_per_epoch
        st.metric("Cells per second", count(speed))
        st.caption(f"On the built-in data: {count(dataset.n_vars)} genes, minibatch size {spec.batch_size}.")
    elif estimate.source == "measuring":
        st.progress(0.5, text="Measuring: a few seconds…")
    else:
        st.caption("This computer is busy with a run. The measurement starts when it is done.")
