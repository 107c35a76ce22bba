"""The workers of this server: on what each trains, what it trains now, how fast it was."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import streamlit as st

from backend import services
from backend.types import Place, RunRecord
from backend.words import device_word, listed


def workers() -> None:
    st.subheader("Workers", anchor=False)
    places = services.current().runs.workers()
    if len(places) == 1 and not places[0].name:
        st.markdown(  # not a caption, whose grey is too faint for the commands in it
            "This server trains one run at a time. To train several at once, each in a process of its own, start it "
            "with `run --workers N` or `SCVI_STUDIO_WORKERS=N`; the processor threads are shared out among them. "
            "Several NVIDIA cards get a worker each."
        )
        return
    st.fragment(_table, run_every=2.0)()
    st.caption(
        "Each worker is a process that trains one run at a time. The two runs of a duel train on the same one, one "
        "after the other; other runs go to the next that is free."
    )


def _table() -> None:
    runs = services.current().runs
    st.dataframe(worker_rows(runs.workers(), runs.list()), hide_index=True)


def worker_rows(places: Sequence[Place], runs: Sequence[RunRecord]) -> list[dict[str, str | int | None]]:
    """One row a worker. Speed: the median over the runs that it trained last."""
    names = {run.run_id: run for run in runs}
    return [
        {
            "Worker": place.name,
            "Devices": place.device
            or listed([device_word(name) for name in place.accelerators if name != "mps"]),
            "Threads": place.threads,
            "Trains now": ", ".join(_progress(names[one]) for one in place.run_ids if one in names) or "–",
            "Runs": len(own := [run for run in runs if run.worker == place.name]),
            "Cells per second": _median([run.cells_per_second for run in own if run.cells_per_second]),
            "Process": place.process,
        }
        for place in places
    ]


def _progress(run: RunRecord) -> str:
    return f"{run.name}, epoch {run.epoch} of {run.spec.max_epochs}"


def _median(speeds: Sequence[float]) -> int | None:
    return round(median(speeds)) if speeds else None
