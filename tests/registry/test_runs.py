"""Records in, the same records out; changes by field; lists that find things."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import NotFound
from backend.registry import RunRegistry
from backend.types import GroupRecord, Problem, Remedy, RunRecord, RunSpec, RunStatus, SweepPlan, notice
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
        last_validation=1.5,
        judged_by="elbo_validation",
        tags=("figure 2",),
        seconds_per_epoch=0.5,
        cells_per_second=10.0,
        peak_memory=2**40,
        notices=(notice("empty_cells_dropped", n=12), notice("unreadable_left_out", names=("a", "b"))),
        problem=Problem("diverged", "error", "no", (remedy,)),
        environment={"torch": "2"},
        group_id="g-1",
        imported_from="a Mac",
        conditions={"other_load": {"mean": 0.1}},
        worker="worker 2",
    )
    untouched = [f.name for f in dataclasses.fields(record) if getattr(record, f.name) == f.default]
    assert untouched == []  # this test must name every field
    registry.add(record)
    assert registry.get("r-1") == record
    assert registry.list() == [record]


def test_every_field_of_a_record_has_a_column(registry: RunRegistry, path: Path) -> None:
    """A new field of ``RunRecord`` needs a migration that adds its column."""
    with closing(sqlite3.connect(path)) as db:
        there = {name for _, name, *_ in db.execute("PRAGMA table_info(runs)")}
    assert there - {"seq"} == {field.name for field in dataclasses.fields(RunRecord)}


def test_what_was_not_written_is_not_read_again(registry: RunRegistry, path: Path, add: Add) -> None:
    add("a")
    add("b", created_at=2.0)
    before = registry.revision(), registry.list()
    assert (registry.revision(), registry.list()) == before
    other = RunRegistry(path)  # another process, say
    other.open()
    other.update("a", note="theirs")
    other.close()
    assert registry.revision() != before[0]
    b, a = registry.list()
    assert a.note == "theirs"
    assert b is before[1][0]  # only the one that changed was taken apart
    registry.remove("a")
    assert registry.list() == [b]
    assert registry.list(search="nothing like it") == []


def test_names_and_the_end_of_the_queue(registry: RunRegistry, add: Add) -> None:
    assert (registry.names(), registry.last_position()) == (set(), 0.0)
    add("a", name="first", position=9.0)
    add("b", name="second", status=RunStatus.QUEUED, position=3.0)
    assert (registry.names(), registry.last_position()) == ({"first", "second"}, 3.0)


def test_of_runs_made_at_the_same_moment_the_later_comes_first(registry: RunRegistry, add: Add) -> None:
    for run_id in ("b", "a", "c"):
        add(run_id, created_at=5.0)
    assert [run.run_id for run in registry.list()] == ["c", "a", "b"]


def test_a_group_comes_back_whole_and_changes_by_field(registry: RunRegistry) -> None:
    plan = SweepPlan(RunSpec("d"), other={"n_latent": (5, 10)})
    group = GroupRecord(
        "g-1", "sweep", "mine", 1.5, "d", True, "note", plan, (notice("empty_cells_dropped", n=1),)
    )
    registry.add_group(group)
    registry.add_group(GroupRecord("g-2", "duel", "other", 2.5))
    registry.add_group(GroupRecord("g-3", "duel", "third", 2.5))
    assert registry.groups() == [registry.group("g-3"), registry.group("g-2"), group]
    assert registry.paused_groups() == {"g-1"}
    changed = registry.update_group("g-1", paused=False, name="new")
    assert changed == group.replace(paused=False, name="new") == registry.group("g-1")
    assert registry.group("g-2").name == "other"
    assert registry.paused_groups() == frozenset()
    with pytest.raises(NotFound):
        registry.update_group("nobody", name="x")


def test_a_removed_group_leaves_its_runs_on_their_own(registry: RunRegistry, add: Add) -> None:
    registry.add_group(GroupRecord("g-1", "sweep", "mine", 1.0))
    add("a", group_id="g-1")
    add("b", group_id="g-2")
    registry.remove_group("g-1")
    assert registry.groups() == []
    assert (registry.get("a").group_id, registry.get("b").group_id) == ("", "g-2")


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
    registry.remove("a")
    add("a")
    assert registry.history("a") == {}


def test_small_things_are_remembered(registry: RunRegistry) -> None:
    assert registry.recall("speed") is None
    registry.remember("speed", {"seconds": 1.5})
    registry.remember("speed", {"seconds": 2.5})
    assert registry.recall("speed") == {"seconds": 2.5}


def test_a_field_that_is_none_is_our_mistake(registry: RunRegistry, add: Add) -> None:
    add("a")
    registry.add_group(GroupRecord("g-1", "sweep", "mine", 1.0))
    with pytest.raises(AssertionError, match=r"RunRecord has no \['speed'\]"):
        registry.update("a", speed=1)
    with pytest.raises(AssertionError, match=r"GroupRecord has no \['speed'\]"):
        registry.update_group("g-1", speed=1, name="x")
    assert registry.group("g-1").name == "mine"
