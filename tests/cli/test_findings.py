"""What inspecting a file found is said in the terminal and stands in ``--json``: nothing trains in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.datasets.sample_files import counts, write
from tests.runs.fakes import FakeTrain

N = 600


def cells(path: Path, X: Any = None, **columns: Any) -> str:
    obs = pd.DataFrame(columns, index=[f"cell{i}" for i in range(N)])
    return str(write(path, counts(N, 220) if X is None else X, obs=obs))


def corrected() -> np.ndarray:
    dense = counts(N, 220)
    return np.where(np.random.default_rng(0).random(dense.shape) < 0.1, dense * 0.7, dense)


def normalised() -> np.ndarray:
    dense = counts(N, 220)
    return dense / dense.sum(1, keepdims=True) * 1e6


SAMPLES = [f"s{i % 3}" for i in range(N)]
TYPES = [f"type {i % 7}" for i in range(N)]
BARCODES = [f"AAAC{i}" for i in range(N)]


def codes(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["code"]: one for one in found}


@pytest.mark.parametrize("command", ["inspect", "prepare", "train"])
@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ("cell_type", "batch_key_unsuitable", "cell types or clusters: correcting for it would remove them"),
        ("barcode", "batch_key_unsuitable", "600 values for 600 cells: looks like a name of each cell"),
        ("age", "batch_key_unsuitable", "Numbers on a scale, not groups"),
        ("sample", "batch_key_recommended", "sample is a good choice"),
        (None, "batch_key_advice", "Recommended batch key: sample (3 levels)"),
    ],
)
def test_the_advice_on_the_batch_is_said_and_in_json(
    tmp_path: Path, run: Any, train: FakeTrain, command: str, asked: str | None, code: str, words: str
) -> None:
    ages = np.random.default_rng(0).uniform(20, 80, N)
    path = cells(tmp_path / "a.h5ad", sample=SAMPLES, cell_type=TYPES, barcode=BARCODES, age=ages)
    argv = [command, path, *(["--batch-key", asked] if asked else [])]
    argv += ["--accelerator", "cpu", "--max-epochs", "2"] if command == "train" else []
    rc, out, err = run(*argv)
    assert rc == 0
    assert words in out + err
    rc, out, err = run(*argv, "--json")
    assert (rc, err) == (0, "")
    found = codes(json.loads(out)["findings"])[code]
    assert words in found["text"]
    assert found["severity"] == ("warning" if code == "batch_key_unsuitable" else "info")
    assert found["params"]["column"] == (asked or "sample")


@pytest.mark.parametrize("command", ["inspect", "prepare", "train"])
@pytest.mark.parametrize(
    ("X", "words"),
    [
        ((counts(N, 220) > 0), "all values are 0 or 1"),
        (corrected(), "not whole"),
    ],
)
def test_doubtful_counts_are_warned_of(
    tmp_path: Path, run: Any, train: FakeTrain, command: str, X: np.ndarray, words: str
) -> None:
    argv = [command, cells(tmp_path / "a.h5ad", X)]
    argv += ["--accelerator", "cpu", "--max-epochs", "2"] if command == "train" else []
    rc, out, err = run(*argv)
    assert rc == 0
    assert "warning: X is the closest to raw counts" in out + err
    assert words in out + err
    rc, out, _ = run(*argv, "--json")
    assert codes(json.loads(out)["findings"])["unsure_counts"]["severity"] == "warning"


@pytest.mark.parametrize("command", ["prepare", "train"])
def test_normalised_values_are_refused_in_one_line(
    tmp_path: Path, run: Any, train: FakeTrain, command: str
) -> None:
    rc, out, err = run(command, cells(tmp_path / "a.h5ad", normalised()), "--json")
    assert (rc, out, err.count("\n")) == (2, "", 1)
    assert "every cell sums to 1e+06" in err
    assert train.specs == []


def test_inspecting_normalised_values_says_what_they_are(tmp_path: Path, run: Any) -> None:
    rc, out, _ = run("inspect", cells(tmp_path / "a.h5ad", normalised()), "--json")
    found = json.loads(out)
    assert (rc, found["trainable"], found["counts"]) == (2, False, None)
    assert found["matrices"][0]["verdict"] == "normalised"
    assert codes(found["findings"])["no_counts"]["params"] == {"matrices": {"X": "normalised"}}


def test_inspecting_is_for_people_too(tmp_path: Path, run: Any) -> None:
    rc, out, err = run("inspect", cells(tmp_path / "a.h5ad", sample=SAMPLES, cell_type=TYPES))
    assert (rc, err) == (0, "")
    assert out.startswith("600 cells, 220 genes: counts in X\n")
    assert "sample     recommended   3" in out


def test_counts_are_rounded_where_that_is_asked_for(tmp_path: Path, run: Any) -> None:
    path = cells(tmp_path / "a.h5ad", corrected())
    rc, out, _ = run("prepare", path, "--round-counts", "--json")
    answer = json.loads(out)
    assert (rc, answer["prepare"]["round_counts"]) == (0, True)
    assert any("rounded" in line for line in answer["notices"])
    assert Path(answer["path"]).is_file()
    assert codes(answer["findings"])["unsure_counts"]["remedies"][0]["changes"] == {"round_counts": True}


@pytest.mark.parametrize("command", ["inspect", "prepare", "train"])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~nosuchuser/x.h5ad", "There is no user nosuchuser"),
        ("/" + "x" * 5_000, "longer than a file system allows"),
        ("/dev/zero", "is a device"),
        ("/tmp", "is a folder"),
    ],
)
def test_a_path_to_no_file_is_one_line(run: Any, command: str, path: str, words: str) -> None:
    rc, out, err = run(command, path)
    assert (rc, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize(
    ("option", "column", "words"),
    [
        ("--continuous-covariates", "age", "3 cells have no value in age"),
        ("--continuous-covariates", "text", "text holds text (“a” and “b”)"),
        ("--categorical-covariates", "holes", "1 cell has no value in holes"),
    ],
)
def test_a_covariate_that_cannot_be_used_is_one_line_before_the_run_begins(
    tmp_path: Path, run: Any, train: FakeTrain, option: str, column: str, words: str
) -> None:
    values: dict[str, Any] = {
        "age": np.where(np.arange(N) < 3, np.nan, 1.5 * np.arange(N)),
        "text": ["a", "b"] * (N // 2),
        "holes": [None, *["a", "b"] * (N // 2)][:N],
    }
    path = cells(tmp_path / "a.h5ad", **values)
    rc, out, err = run("train", path, option, column, "--accelerator", "cpu", "--json")
    assert (rc, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert train.specs == []


def test_a_covariate_of_another_scale_is_warned_of(tmp_path: Path, run: Any, train: FakeTrain) -> None:
    path = cells(tmp_path / "a.h5ad", depth=np.arange(N) * 1e6)
    argv = ["train", path, "--continuous-covariates", "depth", "--accelerator", "cpu", "--max-epochs", "2"]
    err = run(*argv)[2]
    assert "depth reaches 599,000,000" in err
    assert "depth reaches 599,000,000" in " ".join(json.loads(run(*argv, "--json")[1])["notices"])
