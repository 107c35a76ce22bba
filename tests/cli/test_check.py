"""``check``: the device's verdict, in words and as JSON, and the exit code that a script can go by."""

from __future__ import annotations

import json

import pytest

from backend.cli import main
from backend.types import DeviceCheck, Finding, Speed


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    findings = [Finding("fused", "zinb", True, 1e-7, 1e-6), Finding("stock", "zinb", True, 1e-7, 1e-6)]

    def check(name: str, label: str, on_step: object) -> DeviceCheck:
        speeds = (Speed("stock", 128, 4570.0), Speed("fused", 128, 18293.0))
        return DeviceCheck(name, label, 0.0, 1.0, tuple(findings), speeds, 10_000, 0.08, 128)

    monkeypatch.setattr("backend.training.check_device", check)
    return findings


def test_a_device_that_computes_right(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "all 2 comparisons with float64 on the CPU passed" in said
    assert "18,293" in said


def test_a_device_that_computes_wrong(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    found[0] = Finding("fused", "zinb", False, 0.1, 0.2)
    assert main(["check", "cpu", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert not answer["passed"]
    assert answer["findings"][0]["loss_error"] == 0.1
    assert main(["check", "cpu"]) == 1
    assert "Do not train on it" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cuda", "tpu"])
def test_a_device_that_is_not_there(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", device]) != 0
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
