"""Start a run from a button, once: a double click gives the run that the first click started.

run_id = launch(spec)                      # raises StudioError with a sentence to show
dataset = demo_dataset()                   # the built-in data, prepared
"""

from __future__ import annotations

import time

import streamlit as st

from backend import services
from backend.types import DatasetRef, PrepareSpec, RunSpec

_LAST = "launch_last"
DOUBLE_CLICK_SECONDS = 3.0


def launch(spec: RunSpec) -> str:
    """Submit ``spec``; the same spec again within three seconds in this session is the same run."""
    last = st.session_state.get(_LAST)
    if last is not None:
        previous, run_id, when = last
        if previous == spec and time.monotonic() - when < DOUBLE_CLICK_SECONDS:
            return run_id
    run_id = services.current().runs.submit(spec).run_id
    st.session_state[_LAST] = (spec, run_id, time.monotonic())
    return run_id


def prepared_demo() -> DatasetRef | None:
    """The built-in data with all its genes, where it is ready to train on."""
    datasets = services.current().datasets
    demo = datasets.demo()
    for dataset in datasets.prepared():
        if dataset.source_id == demo.source_id and dataset.prepare.n_top_genes is None:
            return dataset
    return None


def demo_dataset() -> DatasetRef:
    """``prepared_demo``, inspected and prepared now where that has not happened yet (seconds)."""
    datasets = services.current().datasets
    demo = datasets.demo()
    if datasets.report(demo.source_id) is None:  # it knows the batch key: a run must not depend on the hour
        datasets.wait(datasets.inspect(demo.source_id).job_id, timeout=60)
    if ready := prepared_demo():
        return ready
    report = datasets.report(demo.source_id)
    job = datasets.prepare(demo.source_id, report.recommended if report else PrepareSpec())
    return datasets.dataset(datasets.wait(job.job_id, timeout=60).result_id)
