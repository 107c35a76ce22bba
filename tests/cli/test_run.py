"""``python -m backend run``: what it hands to the server, and what it refuses before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.cli import main


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would have taken the place of this process."""
    commands: list[list[str]] = []

    def instead(_path: str, command: list[str], _environment: dict[str, str]) -> None:
        commands.append(command)
        raise KeyboardInterrupt  # like the real one, it does not come back

    monkeypatch.setattr(os, "execve", instead)
    return commands


def run(folder: Path, *options: str) -> int:
    return main(["run", "--workspace", str(folder), *options])


def test_address_and_path_are_handed_on(tmp_path: Path, started: list[list[str]]) -> None:
    run(tmp_path, "--port", "8600", "--address", "0.0.0.0", "--base-path", "/node/host-1.example/8600/")
    [command] = started
    assert command[command.index("--server.port") + 1] == "8600"
    assert command[command.index("--server.address") + 1] == "0.0.0.0"
    assert command[command.index("--server.baseUrlPath") + 1] == "node/host-1.example/8600"


def test_without_them_the_configuration_decides(tmp_path: Path, started: list[list[str]]) -> None:
    run(tmp_path)
    assert not {"--server.address", "--server.baseUrlPath"} & set(started[0])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--address", value) for value in ("", "nowhere", "1.2.3", "0.0.0.0:80", "http://x")),
        *(("--base-path", value) for value in ("", "/", "a b", "a//b", "a?b", "../é")),
        *(("--port", value) for value in ("0", "65536", "x")),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence(
    tmp_path: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert run(tmp_path, option, value) == 2
    said = capsys.readouterr().err
    assert option in said
    assert len(said.strip().splitlines()) == 1
    assert not started
