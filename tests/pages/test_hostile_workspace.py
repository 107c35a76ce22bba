"""Rows and addresses that nobody would write: a real workspace that holds them, and no page falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend import services
from backend.errors import BadInput
from backend.services import Services, build_services
from backend.settings import Settings
from backend.types import GroupRecord, MetricPoint, RunRecord, RunSpec, RunStatus, SweepPlan
from tests.pages.scene import SHELL
from tests.pages.test_hostile_input import TEXTS

FEW = settings(
    max_examples=2,
    phases=(Phase.explicit, Phase.generate),  # shrinking opens pages a hundred times
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = (
    *(
        "",
        " ",
        "\x00",
        "a\x1b[31mb",
        "\r\n\t",
        "\u202eabc",
        "\ufeff",
        "\x85",
        "\u2028",
        "a" * 5000,
        "😀" * 2000,
    ),
    *(
        "nan",
        "inf",
        "=1+1",
        "<script>alert(1)</script>",
        "[x](javascript:x)",
        ":red[x]",
        "$x^2$",
        "../..",
        "%s{0}",
    ),
)
NUMBERS = (
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    -1e308,
    1e-320,
    0.0,
    -1.0,
    253402300800.0,
    1e18,
    -62135596801.0,
)
ADDRESSES = st.dictionaries(
    st.sampled_from(
        ("source", "tab", "group", "runs", "run", "show", "stage", "dataset", "see", "like", "x")
    ),
    st.sampled_from(
        ("sweep", "duel", "side", "biology", "1", "r1", "r1,r2", "s1", "d1", "demo", "r1,,r1", "," * 300)
    )
    | TEXTS,
    max_size=6,
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    built = build_services(Settings(tmp_path_factory.mktemp("hostile") / "workspace"))
    built.start(server=False)
    spec = RunSpec(built.datasets.demo().source_id, dataset_name="cells", max_epochs=3)
    for group_id, kind in (("s1", "sweep"), ("d1", "duel")):
        built.registry.add_group(GroupRecord(group_id, kind, group_id, 1.0, plan=SweepPlan(spec)))
    for run_id, group_id in (("r1", "d1"), ("r2", "d1"), ("r3", "s1")):
        built.registry.add(
            RunRecord(run_id, spec, RunStatus.FINISHED, run_id, 1.0, epoch=3, group_id=group_id, n_obs=700)
        )
        for epoch in (1, 2, 3):
            for name in ("train_loss", "validation_loss", "elbo_validation", "epoch_seconds"):
                built.registry.append(run_id, MetricPoint(name, epoch, 9.0 / epoch, epoch * 0.5))
    before = services.install(built)
    yield built
    services.install(before)
    built.close()


def opened(page: str, **params: str) -> AppTest:
    app = AppTest.from_file(SHELL, default_timeout=60)
    for name, value in params.items():
        app.query_params[name] = value
    if page != "start":
        app._page_hash = calc_hash(page)
    return app.run()


def assert_stands(page: str, **params: str) -> None:
    app = opened(page, **params)
    assert not app.exception, (page, params, app.exception)


@pytest.mark.parametrize("page", ["data", "compare"])
@FEW
@given(address=ADDRESSES)
def test_no_address_makes_a_page_fall(workspace: Services, page: str, address: dict[str, str]) -> None:
    assert_stands(page, **address)


ODD_RECORD = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "note": st.sampled_from(NAMES),
        "tags": st.lists(st.sampled_from(NAMES), max_size=3).map(tuple),
        "origin": st.sampled_from(NAMES),
        "device": st.sampled_from(("cpu", *NAMES)),
        "device_name": st.sampled_from(NAMES),
        "implementation": st.sampled_from(NAMES),
        "imported_from": st.sampled_from(NAMES),
        "created_at": st.sampled_from(NUMBERS[1:]),  # SQLite has no NaN, and the row says NOT NULL
        "started_at": st.sampled_from((None, *NUMBERS)),
        "ended_at": st.sampled_from((None, *NUMBERS)),
        "elapsed": st.sampled_from(NUMBERS[1:]),
        "best_validation": st.sampled_from((None, *NUMBERS)),
        "last_validation": st.sampled_from((None, *NUMBERS)),
        "seconds_per_epoch": st.sampled_from((None, *NUMBERS)),
        "cells_per_second": st.sampled_from((None, *NUMBERS)),
        "preparation_seconds": st.sampled_from((None, *NUMBERS)),
        "epoch": st.sampled_from((0, 3, -1, 2**31)),
        "n_obs": st.sampled_from((0, 700, -1, 2**62)),
        "peak_memory": st.sampled_from((None, 0, -1, 2**62)),
        "environment": st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES), max_size=3),
    }
)


@FEW
@given(odd=ODD_RECORD, value=st.sampled_from(NUMBERS), dataset=st.sampled_from(NAMES))
def test_no_row_makes_a_page_fall(
    workspace: Services, odd: dict[str, Any], value: float, dataset: str
) -> None:
    spec = RunSpec(dataset or "none", dataset_name=dataset)
    registry = workspace.registry
    record = RunRecord("odd", spec, RunStatus.FINISHED, **odd)
    registry.add(record)
    registry.add_group(GroupRecord("g", "import", odd["name"], odd["created_at"], note=odd["note"]))
    try:
        for epoch, number in enumerate((value, 1.0, value), start=1):
            for name in ("train_loss", "validation_loss", "elbo_validation", "epoch_seconds", odd["name"]):
                registry.append("odd", MetricPoint(name, epoch, number, epoch * 1e300))
        assert_stands("runs")
        assert_stands("train", run="odd")
        assert_stands("compare", tab="side", runs="odd,r1")
    finally:
        registry.remove("odd")
        registry.remove_group("g")


@settings(FEW, max_examples=60)
@given(text=st.sampled_from((*NAMES, "\ud800", "a\udfff")) | st.text(max_size=20))
def test_any_name_note_or_tag_is_taken_or_refused_in_a_sentence(workspace: Services, text: str) -> None:
    changes: list[Callable[[str], object]] = [
        lambda said: workspace.runs.rename("r3", said),
        lambda said: workspace.runs.annotate("r3", said),
        lambda said: workspace.runs.tag("r3", [said]),
        lambda said: workspace.groups.rename("s1", said),
    ]
    for change in changes:
        with suppress(BadInput):
            change(text)
    run = workspace.runs.get("r3")
    assert run.name
    assert len(run.name) <= 200
