"""What buttons ask of the server: start a run, once; do something else, or say in a sentence why not.

run_id = launch(spec)                      # a double click gives the run that the first click started
dataset = demo_dataset()                   # the built-in data, prepared
st.button("Stop", on_click=attempt, args=(lambda: runs.stop(run_id),))     # then ``flash()`` shows a refusal
"""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import DatasetRef, PrepareSpec, RunSpec
from pages.shared.literal import literal

_FLASH = "run_view_flash"
_LAST = "launch_last"
DOUBLE_CLICK_SECONDS = 3.0


def launch(spec: RunSpec) -> str:
    """Submit ``spec``; the same spec again within three seconds in this session is the same run."""
    last = st.session_state.get(_LAST)
    if last is not None:
        previous, begun, when = last
        if previous == spec and time.monotonic() - when < DOUBLE_CLICK_SECONDS:
            return str(begun)
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


def flash(at: str = "") -> None:
    """The sentence about a button that did not do what it says, until the next press or at another address."""
    place, message = st.session_state.get(_FLASH, {}).get(at, (None, ""))
    if message and place == _place():
        st.error(literal(message, limit=1000), icon=":material/error:")


def attempt(action: Callable[[], object], at: str = "") -> None:
    """``succeeds`` as a button's callback."""
    succeeds(action, at)


def succeeds(action: Callable[[], object], at: str = "") -> bool:
    """Run ``action`` of a button; what it refuses becomes a sentence where ``flash(at)`` stands. True where it did."""
    refused = st.session_state[_FLASH] = {}
    try:
        action()
    except StudioError as error:
        refused[at] = (_place(), str(error))
        return False
    return True


def _place() -> tuple[str | None, dict[str, str]]:
    return st.context.url, st.query_params.to_dict()
