"""A workspace that is deleted or replaced while the server runs is not made anew by what brings or makes files."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.datasets import DatasetLibrary
from backend.errors import StudioError, WorkspaceGone
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.services import Services, build_services
from backend.settings import Settings
from backend.types import JobState, PrepareSpec
from tests.runs.test_workspace_gone import WAYS, deleted, what_is_there


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Services]:
    services = build_services(Settings(tmp_path / "workspace", data_dirs=(tmp_path / "data",)))
    (tmp_path / "data").mkdir()
    services.start(server=False)
    yield services
    services.close()


def bring(services: Services) -> dict[str, Callable[[], Any]]:
    """Every way to bring data or make a file, as the pages and routes ask for it."""
    library, demo = services.datasets, services.datasets.demo().source_id
    file = services.settings.data_dirs[0] / "cells.h5ad"
    file.write_bytes(Path(library.demo().path).read_bytes() if Path(library.demo().path).exists() else b"x")
    return {
        "upload": library.upload_target,
        "uploaded": lambda: library.adopt_upload(file.with_name("gone.part"), "cells.h5ad", "0" * 64),
        "folder": lambda: library.open_local(file),
        "web address": lambda: library.fetch_url("https://example.org/cells.h5ad"),
        "public": lambda: library.fetch_public(library.public_sets()[0].key),
        "simulated": lambda: library.simulate(200, 200),
        "prepare": lambda: library.prepare(demo, PrepareSpec(n_top_genes=200)),
        "bundle": lambda: services.exports.import_bundle(file),
    }


@pytest.mark.parametrize("lose", WAYS)
def test_nothing_is_brought_into_it(running: Services, lose: Callable[[Path], None]) -> None:
    ways = bring(running)
    demo = running.datasets.demo()
    workspace = running.settings.workspace
    lose(workspace)
    before = what_is_there(workspace)
    for name, way in ways.items():
        with pytest.raises(StudioError, match="deleted or replaced") as refused:
            way()
        assert refused.type is WorkspaceGone, name
    assert running.datasets.demo().source_id == demo.source_id  # pages that show it stay usable
    assert what_is_there(workspace) == before


@pytest.mark.parametrize("lose", WAYS)
def test_it_is_noticed_while_the_command_line_reads_a_file(
    running: Services, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    cells, workspace, there = tmp_path / "cells.h5ad", running.settings.workspace, set[str]()
    shutil.copy(running.datasets.demo().path, cells)
    with cells.open("ab") as file:
        file.write(b"\0")  # other content than the demo's

    def reading(progress: float | None, _phase: str) -> None:
        if not there:
            lose(workspace)
            there.update(what_is_there(workspace), ("lost",))

    with pytest.raises(WorkspaceGone, match="deleted or replaced"):
        running.datasets.import_file(cells, reading)
    assert what_is_there(workspace) == there - {"lost"}


def test_work_that_is_under_way_ends_with_the_sentence(tmp_path: Path) -> None:
    begun, lost = threading.Event(), threading.Event()

    def child(_module: str, _request: Any, _log: Path, on_progress: Any, _canceled: Any) -> Any:
        begun.set()
        assert lost.wait(20)
        on_progress(0.5, "half way")
        raise AssertionError("it went on")

    settings = Settings(tmp_path / "workspace")
    registry = RunRegistry(settings.registry_path)
    registry.open()
    board = JobBoard(settings.workspace / "jobs", ensure_in_place=registry.ensure_in_place)
    library = DatasetLibrary(settings, board, run=child)
    library.start(resume=False)
    job = library.simulate(200, 200)
    assert begun.wait(20)
    deleted(settings.workspace)
    lost.set()
    with pytest.raises(StudioError, match="deleted or replaced"):
        library.wait(job.job_id, 20)
    assert library.job(job.job_id).state is JobState.FAILED
    assert not settings.workspace.exists()
    library.close()
    registry.close()
