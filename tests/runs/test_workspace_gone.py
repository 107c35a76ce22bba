"""A workspace that is deleted or replaced under a running program: noticed, said, and never written into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import WorkspaceGone
from backend.registry import RunRegistry
from backend.types import RunStatus
from tests.runs.conftest import Room, is_over, until
from tests.runs.gate import Gate


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
def test_it_is_said_at_once_and_nothing_is_written_anywhere(
    threaded: Room, lose: Callable[[Path], None]
) -> None:
    record = threaded.settle(threaded.submit().run_id)
    assert threaded.runs.trouble() == ""
    workspace = threaded.settings.workspace
    lose(workspace)
    before = what_is_there(workspace)
    assert "deleted or replaced" in threaded.runs.trouble()
    assert "restart" in threaded.runs.trouble()
    assert threaded.runs.get(record.run_id) == record  # what was known can still be looked at
    with pytest.raises(WorkspaceGone, match="deleted or replaced"):
        threaded.runs.rename(record.run_id, "another name")
    with pytest.raises(WorkspaceGone):
        threaded.submit()
    assert what_is_there(workspace) == before
    aside = RunRegistry(workspace.with_name("aside") / "registry.sqlite3")
    aside.open()
    assert [run.name for run in aside.list()] == [record.name]
    aside.close()


def test_a_run_goes_on_when_the_workspace_comes_back(threaded: Room) -> None:
    gate, after = Gate(), Gate()
    threaded.train.at.update({2: gate, 3: after})
    run_id = threaded.submit(epochs=3).run_id
    gate.wait_until_reached()
    workspace = threaded.settings.workspace
    deleted(workspace)
    threaded.runs.stop(run_id)  # works, and is no traceback
    until(lambda: "deleted or replaced" in threaded.runs.trouble())
    workspace.with_name("aside").rename(workspace)
    gate.open()
    after.open()
    until(lambda: is_over(threaded, run_id))
    assert threaded.runs.get(run_id).status is RunStatus.STOPPED
    assert threaded.runs.trouble() == ""
