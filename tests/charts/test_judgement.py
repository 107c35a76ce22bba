"""When a model is called good, worth a closer look, or a problem: the rules on numbers one can check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from backend.charts import judge_gap, judge_groups, judge_plateau, judge_predictive, judge_reencoding
from backend.types import Curves, MetricPoint

TRAIN, VALIDATION = "reconstruction_loss_train", "reconstruction_loss_validation"


def curves(**series: list[float]) -> Curves:
    made = Curves()
    for name, values in series.items():
        made.add(MetricPoint(name, i + 1, value, float(i)) for i, value in enumerate(values))
    return made


def falling(per_epoch: float, n: int = 20, start: float = 1000.0) -> list[float]:
    return [start * (1 - per_epoch) ** i for i in range(n)]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (falling(0.0), "good"),
        (falling(0.0003), "good"),
        (falling(0.002), "look closer"),
        (falling(0.02), "problem"),
        (falling(-0.002), "look closer"),
        ([1000.0, 900.0, 800.0], "not known yet"),
        ([], "not known yet"),
    ],
)
def test_a_curve_is_level_or_not(values: list[float], verdict: str) -> None:
    assert judge_plateau(curves(**{VALIDATION: values})).verdict == verdict


def test_it_says_what_more_epochs_would_bring() -> None:
    said = judge_plateau(curves(**{VALIDATION: [1000.0 - 2 * i for i in range(20)]}))
    assert "Ten more epochs would lower it by about 20 nats per cell" in said.seen
    assert "Extend" in said.advice


def test_a_run_of_another_computer_is_extended_there() -> None:
    said = judge_plateau(curves(**{VALIDATION: falling(0.002)}), "Ada's Mac")
    assert said.advice.startswith("Extend the run on Ada's Mac, where it was trained")


def test_the_steep_beginning_is_not_taken_for_the_end() -> None:
    assert judge_plateau(curves(**{VALIDATION: [3000.0, 2000.0, 1200.0, *[1000.0] * 20]})).verdict == "good"


def test_without_validation_the_training_curve_is_judged() -> None:
    said = judge_plateau(curves(**{TRAIN: falling(0.002)}))
    assert said.verdict == "look closer"
    assert "training cells" in said.seen


@pytest.mark.parametrize(
    ("train", "validation", "verdict"),
    [
        (falling(0.01), falling(0.01, start=1010.0), "good"),
        (falling(0.01), falling(0.01, start=980.0), "good"),
        (falling(0.01), falling(0.01, start=1100.0), "look closer"),
        (falling(0.01), [*falling(0.02, 10), *(830.0 + 5 * i for i in range(10))], "problem"),
        (falling(0.01), [], "not known yet"),
    ],
)
def test_new_cells_are_explained_as_well_or_not(
    train: list[float], validation: list[float], verdict: str
) -> None:
    assert judge_gap(curves(**{TRAIN: train, VALIDATION: validation})).verdict == verdict


def test_overfitting_is_told_from_which_epoch_on() -> None:
    validation = [*falling(0.02, 10), *(830.0 + 5 * i for i in range(10))]
    said = judge_gap(curves(**{TRAIN: falling(0.01), VALIDATION: validation}))
    best = int(np.argmin(validation)) + 1
    assert f"since epoch {best}" in said.seen
    assert f"about {best} epochs" in said.advice


def predictive(shift: float, factor: float, n: int = 400) -> str:
    rng = np.random.default_rng(0)
    zeros = rng.uniform(0.1, 0.9, n)
    variance = rng.uniform(0.1, 20, n)
    simulated = np.clip(zeros + shift, 0, 1)
    return judge_predictive((zeros, simulated), np.full(n, 1.0), (variance, factor * variance)).verdict


@pytest.mark.parametrize(
    ("shift", "factor", "verdict"),
    [(0, 1, "good"), (0.02, 1.2, "good"), (0.06, 1, "look closer"), (-0.06, 1, "look closer"), (0, 2, "look closer"),
     (0, 0.5, "look closer"), (0.2, 1, "problem"), (0, 10, "problem"), (0, 0.1, "problem")],
)  # fmt: skip
def test_simulated_counts_look_real_or_not(shift: float, factor: float, verdict: str) -> None:
    assert predictive(shift, factor) == verdict


def test_genes_that_hardly_any_cell_has_do_not_make_a_model_good() -> None:
    zeros = np.concatenate([np.full(5000, 0.999), np.full(50, 0.2)])
    simulated = np.concatenate([np.full(5000, 0.999), np.full(50, 0.5)])
    same = np.ones(5050)
    said = judge_predictive((zeros, simulated), same, (same, same))
    assert said.verdict == "problem"
    assert "too many zeros" in said.advice


def test_cells_without_any_count_cannot_be_judged() -> None:
    nothing = np.zeros(5)
    assert (
        judge_predictive((nothing + 1, nothing + 1), nothing, (nothing, nothing)).verdict == "not known yet"
    )


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, "good"), (1.5, "look closer"), (4.0, "problem")])
def test_a_group_stands_out_or_not(shift: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    excess, codes = rng.normal(size=300), np.repeat([0, 1, 2], 100)
    excess[codes == 1] += shift
    said, flagged = judge_groups(excess, codes, ["a", "b", "c"])
    assert said.verdict == verdict
    assert flagged == ([] if verdict == "good" else ["b"])


def test_a_group_of_a_few_cells_is_not_judged() -> None:
    excess, codes = np.zeros(100), np.zeros(100, int)
    excess[:5], codes[:5] = 4.0, 1
    assert judge_groups(excess, codes, ["many", "few"])[1] == []


@pytest.mark.parametrize(
    ("largest", "verdict"),
    [(0.0, "good"), (1e-5, "good"), (1e-3, "look closer"), (0.5, "problem"), (None, "problem")],
)
def test_the_latent_space_is_the_same_again_or_not(largest: float | None, verdict: str) -> None:
    said = judge_reencoding(largest, 1.0, "mps:0")
    assert said.verdict == verdict
    if largest:
        assert "computed on MPS" in said.seen
    if largest == 0:
        assert "exactly where it was" in said.seen
