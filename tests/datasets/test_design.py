"""Is the design sound? Planted designs are named for what they are; numbers equal scipy's and numpy's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from backend.cli import main
from backend.datasets import check_design
from backend.errors import BadInput
from backend.types import DesignChoice, DesignReport
from tests.datasets.sample_files import counts, write

N = 960


def cells(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=[f"cell{i}" for i in range(N)])


def codes(report: DesignReport) -> set[str]:
    return {one.code for one in report.findings}


def said(report: DesignReport, code: str) -> str:
    return next(one.message for one in report.findings if one.code == code)


DONOR = np.array([f"d{i % 6}" for i in range(N)])
LANE = np.array([f"lane{i // 6 % 2}" for i in range(N)])
TYPE = np.array([f"type{i // 12 % 4}" for i in range(N)])


def test_a_planted_confounder_is_named() -> None:
    disease = np.where(np.isin(DONOR, ["d0", "d1", "d2"]), "healthy", "lupus")
    report = check_design(cells(donor=DONOR, disease=disease), DesignChoice("donor", "disease"), "s")
    assert "donor and disease are inseparable here: correcting for donor removes disease" in said(
        report, "batch_condition_inseparable"
    )
    assert report.findings[0].severity == "error"
    assert report.crossed[0].cramers_v == pytest.approx(1.0)
    assert report.crossed[0].n_empty == 6
    assert "replicated" in codes(report)


def test_a_balanced_design_is_sound() -> None:
    disease = np.array([f"c{i // 12 % 2}" for i in range(N)])
    obs = cells(lane=LANE, disease=disease, donor=DONOR, cell_type=TYPE)
    report = check_design(obs, DesignChoice("lane", "disease", "donor", "cell_type"), "s")
    assert {one.severity for one in report.findings} == {"info"}
    assert {"batch_condition_separable", "donor_condition_separable", "replicated"} <= codes(report)


def test_groups_that_share_no_batch_are_told_apart() -> None:
    condition = np.array([["a", "b"], ["c", "d"]])[np.arange(N) // 6 % 2, np.arange(N) % 2]
    report = check_design(cells(lane=LANE, arm=condition), DesignChoice("lane", "arm"), "s")
    assert "these groups of levels, which share no lane with each other: a and b; c and d" in said(
        report, "batch_condition_partly"
    )


def test_what_goes_together_without_coinciding_is_a_warning() -> None:
    arm = np.where((LANE == "lane0") ^ (np.arange(N) % 17 == 0), "a", "b")
    report = check_design(cells(lane=LANE, arm=arm), DesignChoice("lane", "arm"), "s")
    assert "nearly coincide" in said(report, "batch_condition_unbalanced")


def test_batches_of_one_cell_type_and_missing_types_are_named() -> None:
    kind = np.where(LANE == "lane1", "type0", TYPE)
    arm = np.where((np.arange(N) % 2 == 0) & (kind != "type3"), "a", "b")
    obs = cells(lane=LANE, arm=arm, cell_type=kind)
    report = check_design(obs, DesignChoice("lane", "arm", None, "cell_type"), "s")
    assert said(report, "one_type_batches").startswith("lane1 of lane holds one cell_type only")
    assert said(report, "types_missing").startswith("type3 of cell_type is missing in some level of arm")


@pytest.mark.parametrize(
    ("per_arm", "code"), [(1, "no_replicates"), (2, "few_replicates"), (3, "replicated")]
)
def test_replicates_of_each_condition_are_counted(per_arm: int, code: str) -> None:
    number = np.arange(N) % (2 * per_arm)
    obs = cells(lane=LANE, arm=np.where(number < per_arm, "a", "b"), donor=number.astype(str))
    assert code in codes(check_design(obs, DesignChoice("lane", "arm", "donor"), "s"))


def test_few_and_missing_cells_are_counted() -> None:
    arm = np.array(["a", "b"], dtype=object)[np.arange(N) // 12 % 2]
    arm[:40] = None
    arm[np.flatnonzero(LANE == "lane0")[30:400]] = "a"
    obs = cells(lane=LANE, arm=arm)
    report = check_design(obs, DesignChoice("lane", "arm"), "s")
    assert said(report, "design_missing").startswith(
        f"{int(pd.isna(arm).sum())} cells have no lane or no arm"
    )


@pytest.mark.parametrize("seed", range(6))
def test_rank_and_association_are_those_of_numpy_and_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = rng.integers(0, 3, N)
    one, other = block * 2 + rng.integers(0, 2, N), np.where(seed % 2, block * 3, 0) + rng.integers(0, 3, N)
    obs = cells(a=one.astype(str), b=other.astype(str))
    crossed = check_design(obs, DesignChoice("a", "b"), "s").crossed[0]
    design = np.column_stack([np.ones(N), pd.get_dummies(one).iloc[:, 1:], pd.get_dummies(other).iloc[:, 1:]])
    assert crossed.deficiency == design.shape[1] - np.linalg.matrix_rank(design.astype(float))
    assert crossed.cramers_v == pytest.approx(association(np.array(crossed.cells), method="cramer"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (DesignChoice("lane", "arm"), "There is no column 'arm'"),
        (DesignChoice("lane", "depth"), "numbers on a scale"),
        (DesignChoice("lane", "lane"), "a column of its own"),
        (DesignChoice("lane", "none"), "has 0 levels"),
    ],
)
def test_what_is_no_design_is_refused(choice: DesignChoice, message: str) -> None:
    obs = cells(lane=LANE, depth=np.linspace(0, 1, N), none=np.full(N, None))
    with pytest.raises(BadInput, match=message):
        check_design(obs, choice, "s")


def test_the_command_line_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    obs = pd.DataFrame(
        {
            "donor": [f"d{i % 4}" for i in range(60)],
            "disease": ["ill" if i % 4 < 2 else "well" for i in range(60)],
        },
        index=[f"cell{i}" for i in range(60)],
    )
    file = str(write(tmp_path / "a.h5ad", counts(60), obs=obs))
    home = ["--workspace", str(tmp_path / "w")]
    assert main(["design", file, "--batch", "donor", "--condition", "disease", "--json", *home]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["code"] == "batch_condition_inseparable"
    assert found["crossed"][0]["cells"] == [[15, 0], [15, 0], [0, 15], [0, 15]]
    assert main(["design", file, "--batch", "donor", "--condition", "disease", *home]) == 0
    assert "error: donor and disease are inseparable here" in capsys.readouterr().out
    assert main(["design", file, "--batch", "lane", "--condition", "disease", *home]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: There is no column 'lane'")
    assert error.count("\n") == 1
