"""``qc``: what is measured, suggested and would be removed, for people and for scripts; bad input is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.cli import main
from tests.datasets.test_quality import sick_and_well


@pytest.fixture
def file(tmp_path: Path) -> str:
    sick_and_well().write_h5ad(tmp_path / "cells.h5ad")
    return str(tmp_path / "cells.h5ad")


def test_limits_are_suggested_and_counted_before_anything_is_removed(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--qc-sample-key",
        "sample",
        "--min-counts",
        "60",
        "--max-pct-mt",
        "20",
        "--min-cells-per-gene",
        "3",
    ]
    home = ["--workspace", str(tmp_path / "w")]
    assert main(["qc", file, *options, "--json", *home]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["sample"] for one in found["samples"]] == ["a", "b"]
    assert found["class_genes"]["mt"] == 2
    assert found["removed"]["each"]["max_pct_mt"] == 10
    assert found["removed"]["cells"] == found["removed"]["each"]["min_counts"] + 10
    assert main(["prepare", file, *options, "--json", *home]) == 0
    prepared = json.loads(capsys.readouterr().out)
    assert prepared["n_obs"] == 300 - found["removed"]["cells"]
    assert "Quality control removed" in " ".join(prepared["notices"])
    assert main(["qc", file, *options, *home]) == 0
    said = capsys.readouterr().out
    assert f"Would remove {found['removed']['cells']} of 300 cells: " in said
    assert "limits 5 MADs from them" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--qc-sample-key", "lane"], "There is no column 'lane' to tell samples apart by."),
        (["--max-mads", "0"], "must be a number between 1 and 100"),
        (["--min-counts", "-3"], "must be a whole number between 0"),
    ],
)
def test_bad_limits_are_one_line(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["qc", file, *options, "--workspace", str(tmp_path / "w")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
