"""A workspace that is deleted or replaced under a running program: noticed, said, and never written into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import WorkspaceGone
from backend.registry import RunRegistry
from backend.types import RunStatus
from tests.runs.conftest import MakeRoom, Room
from tests.runs.gate import Gate
from tests.runs.test_faults import is_over, until


@pytest.fixture
def room(make_room: MakeRoom) -> Room:
    room = make_room("thread", look_seconds=0.05)
    room.runs.start()
    return room


def deleted(workspace: Path) -> None:
    workspace.rename(workspace.with_name("aside"))


def replaced(workspace: Path) -> None:
    """By a copy, as a restored backup is."""
    deleted(workspace)
    shutil.copytree(workspace.with_name("aside"), workspace)


def by_an_empty_one(workspace: Path) -> None:
    deleted(workspace)
    workspace.mkdir()


WAYS = [deleted, replaced, by_an_empty_one]


def what_is_there(workspace: Path) -> set[str]:
    return (
        {str(path.relative_to(workspace)) for path in workspace.rglob("*")} if workspace.exists() else set()
    )


@pytest.mark.parametrize("lose", WAYS)
def test_it_is_said_at_once_and_nothing_is_written_anywhere(room: Room, lose: Callable[[Path], None]) -> None:
    record = room.settle(room.submit().run_id)
    assert room.runs.trouble() == ""
    workspace = room.settings.workspace
    lose(workspace)
    before = what_is_there(workspace)
    assert "deleted or replaced" in room.runs.trouble()
    assert "restart" in room.runs.trouble()
    assert room.runs.get(record.run_id) == record  # what was known can still be looked at
    with pytest.raises(WorkspaceGone, match="deleted or replaced"):
        room.runs.rename(record.run_id, "another name")
    with pytest.raises(WorkspaceGone):
        room.submit()
    assert what_is_there(workspace) == before
    aside = RunRegistry(workspace.with_name("aside") / "registry.sqlite3")
    aside.open()
    assert [run.name for run in aside.list()] == [record.name]
    aside.close()


def test_a_run_goes_on_when_the_workspace_comes_back(room: Room) -> None:
    gate, after = Gate(), Gate()
    room.train.at.update({2: gate, 3: after})
    run_id = room.submit(epochs=3).run_id
    gate.wait_until_reached()
    workspace = room.settings.workspace
    deleted(workspace)
    room.runs.stop(run_id)  # works, and is no traceback
    until(lambda: "deleted or replaced" in room.runs.trouble())
    workspace.with_name("aside").rename(workspace)
    gate.open()
    after.open()
    until(lambda: is_over(room, run_id))
    assert room.runs.get(run_id).status is RunStatus.STOPPED
    assert room.runs.trouble() == ""
