"""How fast each device was here, from the runs of this workspace."""

from __future__ import annotations

from statistics import median

import streamlit as st

from backend import services
from backend.types import RunRecord


def measured_speed() -> None:
    st.subheader("Speed of the runs so far", anchor=False)
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
    else:
        st.caption("No run has been trained here yet. Each one adds its speed to this list.")


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
