"""Where the training form keeps its values: widget state in the session, a copy in the address bar.

adopt_address(options)      # first run, reload, shared link, "use these settings again", browser back
write_address(spec, start)  # after the widgets: the address now says what the form says
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from backend import services
from backend.errors import NotFound
from backend.types import DatasetRef, DatasetReport, RunSpec
from pages.train import draft
from pages.train.fields import key

PRESET = "preset"
_WRITTEN = "train_address_written"
_PREPARED_JUST_NOW = "train_prepared_just_now"


@dataclass(frozen=True)
class Options:
    """What there is to choose from, looked up once per page run."""

    datasets: dict[str, DatasetRef]
    accelerator: str  # the one to suggest
    engines: tuple[str, ...]

    def start(self, dataset_id: str) -> RunSpec:
        dataset = self.datasets[dataset_id]
        return draft.starting_spec(dataset, self.report(dataset_id), self.accelerator)

    def report(self, dataset_id: str) -> DatasetReport | None:
        return services.current().datasets.report(self.datasets[dataset_id].source_id)


def chosen_dataset(options: Options) -> DatasetRef:
    return options.datasets[st.session_state[key("dataset_id")]]


def adopt_address(options: Options) -> None:
    """Fill the widgets from the address where it says something the form did not write itself."""
    params = {name: st.query_params.get_all(name) for name in st.query_params}
    flat = {name: values if len(values) != 1 else values[0] for name, values in params.items()}
    seeded = st.session_state.get(key("dataset_id")) in options.datasets
    fresh = st.session_state.pop(_PREPARED_JUST_NOW, None)
    if fresh in options.datasets:
        _fill(options.start(fresh))
        return
    if seeded and (not flat or flat == st.session_state.get(_WRITTEN)):
        return
    if isinstance(like := flat.get("like"), str):
        if spec := _spec_like(like, options):
            _fill(_with_engine(spec, options.engines))
            return
        flat.pop("like")
    dataset_id = draft.dataset_in(flat)
    if dataset_id is not None and dataset_id not in options.datasets:
        st.warning("The data set of this link was not found. Choose another one.", icon=":material/link_off:")
    if dataset_id not in options.datasets:
        dataset_id = next(iter(options.datasets))
    spec = draft.from_params(flat, options.start(dataset_id))
    spec = draft.existing_columns(spec, options.datasets[dataset_id])
    _fill(_with_engine(spec, options.engines))


def adopt_prepared(dataset_id: str) -> None:
    """On the next run of the page the form shows this data set."""
    st.session_state[_PREPARED_JUST_NOW] = dataset_id


def changed_dataset(options: Options) -> None:
    """Callback of the data set's widget: columns belong to a data set, other settings stay."""
    dataset = chosen_dataset(options)
    fresh = options.start(dataset.dataset_id)
    st.session_state[key("batch_key")] = fresh.batch_key
    st.session_state[key("categorical_covariate_keys")] = []
    st.session_state[key("continuous_covariate_keys")] = []


def write_address(spec: RunSpec, start: RunSpec) -> None:
    params = draft.to_params(spec, start)
    flat = {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value
        for name, value in params.items()
    }
    if flat != st.session_state.get(_WRITTEN) or "like" in st.query_params or not st.query_params:
        st.query_params.from_dict(params)
    st.session_state[_WRITTEN] = flat


def _spec_like(run_id: str, options: Options) -> RunSpec | None:
    try:
        run = services.current().runs.get(run_id)
    except NotFound:
        st.warning("The run whose settings were asked for was not found.", icon=":material/link_off:")
        return None
    spec = run.spec
    if spec.dataset_id not in options.datasets:
        st.warning(
            "The data set of that run was not found. Its other settings are filled in.",
            icon=":material/info:",
        )
        dataset_id = next(iter(options.datasets))
        spec = draft.for_dataset(spec, options.datasets[dataset_id], options.report(dataset_id))
    return draft.existing_columns(draft.within_limits(spec), options.datasets[spec.dataset_id])


def _with_engine(spec: RunSpec, engines: tuple[str, ...]) -> RunSpec:
    """``spec`` with an engine that there is: that of an older run may be gone."""
    usual = RunSpec(dataset_id="").engine
    return spec if spec.engine in engines else spec.replace(engine=usual if usual in engines else engines[0])


def _fill(spec: RunSpec) -> None:
    for name, value in spec.to_dict().items():
        st.session_state[key(name)] = list(value) if isinstance(value, tuple) else value
    st.session_state[key("n_epochs_kl_warmup")] = spec.n_epochs_kl_warmup or 0
    st.session_state.pop(key(PRESET), None)  # follows from the values
