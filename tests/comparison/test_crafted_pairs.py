"""Pairs that tempt to a wrong verdict: what is claimed is what the runs can carry, once, and everywhere the same."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backend.comparison import compare_runs
from backend.types import Comparison, RunStatus
from backend.words import finding_sentence
from tests.comparison.made_runs import made

GOOD, WORSE = [400.0, 360.0, 330.0], [420.0, 390.0, 380.0]


def compared(*runs: Any, **how: Any) -> Comparison:
    return compare_runs(
        [run for run, _ in runs], {run.run_id: curves for run, curves in runs}, **{"finished": 1.0, **how}
    )


def findings(found: Comparison) -> list[str]:
    return [f"{one.code} {one.severity}" for one in found.findings]


def early(run_id: str, epochs: int, last: float, **settings: Any) -> Any:
    """Ended by early stopping, of 100 planned epochs."""
    losses = [*([400.0] * (epochs - 1)), last]
    return made(run_id, losses, max_epochs=100, early_stopping=True, **settings)


def test_runs_that_ended_at_other_kl_weights_are_not_ranked_by_the_loss_that_has_it() -> None:
    runs = early("a", 6, 330.0, n_epochs_kl_warmup=20), early("b", 16, 329.0, n_epochs_kl_warmup=20, lr=0.01)
    found = compared(*runs, metric="validation_loss")
    assert "kl_weight unfair" in findings(found)
    assert "between 0.25 and 0.75. Compare the ELBO instead." in found.verdict[0]
    assert (found.recommended, found.winner, found.front) == ("", "", ())
    assert set(found.comparable) == {"total_time", "epoch_time"}
    elbo = compared(*runs, metric="elbo_validation")
    assert "kl_weight unfair" not in findings(elbo)
    assert elbo.recommended


@pytest.mark.parametrize("warm_up", [5, 400, None])
def test_a_weight_that_is_about_the_same_at_both_ends_rules_nothing_out(warm_up: int | None) -> None:
    found = compared(
        early("a", 6, 330.0, n_epochs_kl_warmup=warm_up),
        early("b", 16, 300.0, n_epochs_kl_warmup=warm_up, lr=0.1),
        metric="validation_loss",
    )
    assert findings(found) == ["early caution"]
    assert found.recommended == "b"


def test_a_target_that_is_reached_at_other_kl_weights_has_no_winner() -> None:
    found = compared(
        made("a", [400.0, 329.0, 328.0, 327.0, 326.0], seconds=4.0, n_epochs_kl_warmup=10),
        made("b", [400.0, 360.0, 350.0, 340.0, 329.0], n_epochs_kl_warmup=10, lr=0.01),
        metric="validation_loss",
        target=330.0,
    )
    assert "target" not in found.comparable
    assert "final_loss" in found.comparable
    assert found.winner == ""
    assert not any("reached" in sentence for sentence in found.verdict)


def test_losses_of_training_cells_are_not_compared_across_dropout_rates() -> None:
    runs = made("a", GOOD, seconds=3.0), made("b", WORSE, dropout_rate=0.3)
    found = compared(*runs, metric="train_loss")
    assert findings(found) == ["dropout unfair"]
    assert (found.recommended, set(found.comparable)) == ("", {"total_time", "epoch_time"})
    assert findings(compared(*runs, metric="validation_loss")) == []


def test_a_run_that_ended_as_no_number_is_not_ranked_by_what_it_was_before() -> None:
    found = compared(
        made("a", GOOD, seconds=3.0),
        made("b", [390.0, 300.0, math.nan], seconds=1.0, engine="fused"),
        made("c", [400.0, 361.0, 345.0], seconds=2.0, batch_size=512),
    )
    assert findings(found) == ["diverged caution"]
    assert found.recommended == "a"
    assert "b" not in found.front
    diverged = found.run("b")
    assert (diverged.last, diverged.best) == (None, 300.0)


def test_an_extended_schedule_is_no_run_in_one_go() -> None:
    course: dict[str, Any] = {"lr_schedule": "cosine", "lr": 0.01}
    straight = [0.01, 0.0075, 0.0025]
    found = compared(
        made("a", GOOD, seconds=3.0, rates=straight, **course),
        made("b", WORSE, rates=[0.005, 0.0001, 0.0025], warm=(1, 3), engine="fused", **course),
    )
    assert findings(found) == ["extended caution", "paused note"]
    resumed = made("b", WORSE, rates=straight, warm=(1, 3), engine="fused", **course)
    assert findings(compared(made("a", GOOD, rates=straight, **course), resumed)) == ["paused note"]


@pytest.mark.parametrize(
    ("settings", "rates", "extended"),
    [
        ({"lr_schedule": "constant", "lr_warmup": 0.5}, [0.005, 0.01, 0.01], False),
        ({"lr_schedule": "constant", "lr_warmup": 0.5}, [0.01, 0.008, 0.01], True),
        ({"lr_schedule": "linear", "lr_warmup": 0.6}, [0.004, 0.009, 0.004], False),
        ({"lr_schedule": "linear", "lr_warmup": 0.0}, [0.001, 0.006, 0.003], True),
    ],
)
def test_a_warm_up_of_the_rate_is_no_extension(
    settings: dict[str, Any], rates: list[float], extended: bool
) -> None:
    found = compared(
        made("a", GOOD, rates=rates, lr=0.01, **settings),
        made("b", GOOD, engine="fused", lr=0.01, **settings),
    )
    assert ("extended caution" in findings(found)) is extended


def test_a_run_that_is_repeated_tells_nothing_of_the_noise_between_seeds() -> None:
    twice = [
        made(f"{engine}{n}", [400.0, loss], seconds=seconds, engine=engine)
        for engine, loss, seconds in (("stock", 330.0, 3.0), ("fused", 330.1, 1.0))
        for n in range(2)
    ]
    found = compared(*twice)
    assert [setting.loss_sd for setting in found.settings] == [None, None]
    assert found.recommended == "fused0"
    assert "so small a difference cannot be told from noise" in found.recommendation
    assert "seeds)" not in found.recommendation


@pytest.mark.parametrize(("other", "unsure"), [(333.0, True), (380.0, False)])
def test_a_small_lead_of_one_seed_is_said_to_be_one(other: float, unsure: bool) -> None:
    found = compared(made("a", [400.0, 330.0]), made("b", [400.0, other], engine="fused"))
    assert found.recommended == "a"
    assert ("cannot be told from noise" in found.why) is unsure


def test_a_caution_about_times_is_said_where_times_are_all_that_can_be_compared() -> None:
    found = compared(
        made("a", GOOD, seconds=3.0), made("b", WORSE, gene_likelihood="nb", conditions={"on_battery": True})
    )
    assert found.verdict[0].startswith("Not a fair comparison: ")
    assert "times as fast" in found.verdict[1]
    assert found.verdict[-1] == "A caveat: on battery power, which can slow a computer down: nb."


def test_a_caution_about_losses_is_not_said_where_no_loss_can_be_compared() -> None:
    found = compared(made("a", GOOD), made("b", WORSE, gene_likelihood="nb", batch_key="donor"))
    assert findings(found) == ["likelihood unfair", "covariates caution"]
    assert not any("A caveat" in sentence for sentence in found.verdict)


def test_a_run_with_as_many_seeds_but_other_ones_is_not_ranked() -> None:
    runs = [
        made(f"{engine}{seed}", GOOD, engine=engine, seed=seed)
        for engine, seeds in (("stock", (0, 1)), ("fused", (0, 2)))
        for seed in seeds
    ]
    found = compared(*runs)
    assert findings(found) == ["split unfair"]
    assert (found.recommended, found.winner, found.front) == ("", "", ())


@pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.FINISHED])
def test_only_runs_that_ended_by_themselves_with_a_model_are_recommended(status: RunStatus) -> None:
    found = compared(
        made("a", WORSE, seconds=3.0),
        made("b", WORSE, seconds=2.0, engine="fused"),
        made("c", GOOD, seconds=0.1, batch_size=512, status=status),
    )
    assert found.recommended != "c"
    assert "c" not in found.front
    assert all(finding_sentence(one) for one in found.findings)
