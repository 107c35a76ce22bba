from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.registry import RunRegistry
from backend.types import RunRecord, RunSpec, RunStatus


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite3"


@pytest.fixture
def registry(path: Path) -> Iterator[RunRegistry]:
    registry = RunRegistry(path)
    registry.open()
    yield registry
    registry.close()


@pytest.fixture
def add(registry: RunRegistry) -> Callable[..., RunRecord]:
    """Put a record into the registry."""

    def add(run_id: str = "a", **fields: object) -> RunRecord:
        given = {
            "status": RunStatus.FINISHED,
            "name": run_id,
            "created_at": 1.0,
            "spec": RunSpec("d"),
            **fields,
        }
        record = RunRecord(run_id=run_id, **given)  # type: ignore[arg-type]
        registry.add(record)
        return record

    return add
