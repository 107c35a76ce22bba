"""Commands run in this process, with training that only pretends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.cli import main
from backend.types import Pace
from tests.runs.fakes import FakeTrain


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests of a module, so that the built-in data are prepared once."""
    return tmp_path_factory.mktemp("command line") / "workspace"


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> FakeTrain:
    fake = FakeTrain()
    monkeypatch.setattr("backend.training.train", fake)
    monkeypatch.setattr("backend.training.calibrate", lambda *of: Pace(1.0, 0.0))
    return fake


@pytest.fixture
def run(workspace: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command: exit code, stdout, stderr."""

    def run(*argv: str) -> tuple[int, str, str]:
        code = main([argv[0], "--workspace", str(workspace), *argv[1:]])
        out, err = capsys.readouterr()
        return code, out, err

    return run
