"""Records in, the same records out; changes by field; lists that find things."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from backend.errors import NotFound
from backend.registry import RunRegistry
from backend.registry._rows import COLUMNS
from backend.types import Problem, Remedy, RunRecord, RunSpec, RunStatus
from tests.registry.points import curve

Add = Callable[..., RunRecord]


def test_a_record_with_every_field_comes_back_unchanged(registry: RunRegistry) -> None:
    remedy = Remedy("Lower rate", "resubmit", {"lr": 0.1})
    record = RunRecord(
        run_id="r-1",
        spec=RunSpec(
            "d", dataset_name="naïve ✓", categorical_covariate_keys=("a", "b"), n_epochs_kl_warmup=None
        ),
        status=RunStatus.STOPPED,
        name="mine; DROP TABLE runs",
        created_at=1.5,
        note="=1+1",
        origin="command line",
        position=3.5,
        started_at=2.0,
        ended_at=9.25,
        elapsed=7.0,
        epoch=4,
        device="cuda:0",
        device_name="Some GPU",
        implementation="torch on CUDA",
        preparation_seconds=1.5,
        phase="saving",
        requested="stop",
        n_obs=5,
        n_vars=6,
        best_validation=1.25,
        best_epoch=3,
        seconds_per_epoch=0.5,
        cells_per_second=10.0,
        peak_memory=2**40,
        notices=("one", "two"),
        problem=Problem("diverged", "error", "no", (remedy,)),
        environment={"torch": "2"},
        group_id="g-1",
        imported_from="a Mac",
        conditions={"other_load": {"mean": 0.1}},
    )
    untouched = [f.name for f in dataclasses.fields(record) if getattr(record, f.name) == f.default]
    assert untouched == []  # this test must name every field
    registry.add(record)
    assert registry.get("r-1") == record
    assert registry.list() == [record]


def test_every_field_of_a_record_has_a_column(registry: RunRegistry) -> None:
    """A new field of ``RunRecord`` needs a migration that adds its column."""
    with registry._reading() as db:
        there = {name for _, name, *_ in db.execute("PRAGMA table_info(runs)")}
    assert there - {"seq"} == set(COLUMNS)


def test_changing_one_field_leaves_what_others_wrote(registry: RunRegistry, add: Add) -> None:
    add("a", note="theirs")
    changed = registry.update("a", name="ours")
    assert (changed.name, changed.note) == ("ours", "theirs")


def test_an_unknown_run_is_not_found(registry: RunRegistry) -> None:
    with pytest.raises(NotFound):
        registry.get("nobody")
    with pytest.raises(NotFound):
        registry.update("nobody", name="x")


def test_of_two_who_want_a_transition_one_gets_it(registry: RunRegistry, add: Add) -> None:
    add("a", status=RunStatus.QUEUED)
    first = registry.transition("a", {RunStatus.QUEUED}, status=RunStatus.RUNNING)
    assert first is not None
    assert first.status is RunStatus.RUNNING
    assert registry.transition("a", {RunStatus.QUEUED}, status=RunStatus.CANCELED) is None
    assert registry.get("a").status is RunStatus.RUNNING


def test_lists_are_newest_first_and_filtered(registry: RunRegistry, add: Add) -> None:
    add("old", created_at=1.0)
    add("new", created_at=3.0, status=RunStatus.FAILED)
    add("mid", created_at=2.0, status=RunStatus.QUEUED)
    assert [r.run_id for r in registry.list()] == ["new", "mid", "old"]
    assert [r.run_id for r in registry.list(status=RunStatus.QUEUED)] == ["mid"]
    both = {RunStatus.QUEUED, RunStatus.FAILED}
    assert [r.run_id for r in registry.list(status=both)] == ["new", "mid"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("pbmc", ["a"]),
        ("PBMC 512", ["a"]),
        ("pbmc nothing", []),
        ("liver", ["b"]),  # the data set
        ("remember", ["b"]),  # the note
        ("100%", ["b"]),  # no wildcard
        ("_", []),
        ("", ["b", "a"]),
    ],
)
def test_search_takes_every_word_literally(
    registry: RunRegistry, add: Add, search: str, found: list[str]
) -> None:
    add("a", name="PBMC · CPU · 512")
    add("b", name="other", note="remember 100%", spec=RunSpec("d", dataset_name="Liver"))
    assert [r.run_id for r in registry.list(search=search)] == found


def test_a_removed_run_takes_its_numbers_along(registry: RunRegistry, add: Add) -> None:
    add("a")
    for point in curve("train_loss", [3, 2, 1]):
        registry.append("a", point)
    registry.flush()
    registry.remove("a")
    add("a")
    assert registry.history("a") == {}


def test_small_things_are_remembered(registry: RunRegistry) -> None:
    assert registry.recall("speed") is None
    registry.remember("speed", {"seconds": 1.5})
    registry.remember("speed", {"seconds": 2.5})
    assert registry.recall("speed") == {"seconds": 2.5}
