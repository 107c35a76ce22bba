"""Comparing runs: numbers by hand, what differs in words, and sentences that claim no more than they can."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from backend.comparison import compare_runs
from backend.types import Comparison, RunStatus
from tests.comparison.made_runs import made

STOCK = [400.0, 360.0, 340.0, 330.0]
FUSED = [400.5, 361.0, 341.0, 330.5]


def compared(*runs: Any, **how: Any) -> Comparison:
    records = [run for run, _ in runs]
    return compare_runs(records, {run.run_id: curves for run, curves in runs}, **{"finished": 1.0, **how})


def duel(**fused: Any) -> Comparison:
    return compared(
        made("a", STOCK, seconds=4.0, first=6.0),
        made("b", FUSED, seconds=1.0, first=1.5, engine="fused", **fused),
    )


def test_speed_is_of_steady_epochs_and_warm_up_stands_apart() -> None:
    stock, fused = duel().runs
    assert (stock.steady_seconds, stock.warm_up_seconds, stock.total_seconds) == (4.0, 6.0, 18.0)
    assert fused.speed_up == pytest.approx(4.0)
    assert stock.speed_up == 1.0
    assert fused.cells_per_second == pytest.approx(600.0)


def test_projected_time_counts_warm_up_once_and_preparation() -> None:
    fused = duel(record={"preparation_seconds": 2.0}).runs[1]
    assert fused.projected_seconds == pytest.approx(2.0 + 1.5 + 24 * 1.0)


def test_target_is_by_default_what_every_run_reaches() -> None:
    found = duel()
    assert found.target == 330.5
    assert not found.target_chosen
    assert [run.time_to_target for run in found.runs] == [18.0, 4.5]
    assert found.winner == "b"


def test_a_run_that_diverged_does_not_set_the_target() -> None:
    found = compared(
        made("a", STOCK, seconds=4.0),
        made("b", FUSED, engine="fused"),
        made("c", [5000.0, 90_000.0], batch_size=4096),
    )
    assert found.target == 330.5
    assert any("never did" in sentence for sentence in found.verdict)


def test_a_target_is_reached_at_the_end_of_an_epoch_never_in_between() -> None:
    found = compared(made("a", STOCK, seconds=4.0), made("b", FUSED, engine="fused"), target=359.0)
    assert [(run.time_to_target, run.target_epoch) for run in found.runs] == [(12.0, 3), (3.0, 3)]


def test_a_target_that_one_never_reached_is_said() -> None:
    found = compared(made("a", STOCK, seconds=4.0), made("b", FUSED, engine="fused"), target=330.2)
    assert found.runs[1].time_to_target is None
    assert found.winner == "a"
    assert any("fused never did" in sentence for sentence in found.verdict)


def test_labels_are_what_differs() -> None:
    assert [run.label for run in duel().runs] == ["stock", "fused"]
    found = compared(
        made("a", STOCK, batch_size=128, lr=0.001),
        made("b", STOCK, batch_size=512, lr=0.004, engine="fused"),
        made("c", STOCK, batch_size=512, lr=0.004, engine="fused", device="mps:0"),
    )
    assert [run.label for run in found.runs] == [
        "CPU · stock · minibatch 128",
        "CPU · fused · minibatch 512",
        "MPS · fused · minibatch 512",
    ]


def test_labels_of_equal_runs_are_their_names() -> None:
    assert [run.label for run in compared(made("a", STOCK), made("b", STOCK)).runs] == ["Run a", "Run b"]


def test_differences_are_only_what_differs_in_words() -> None:
    found = compared(made("a", STOCK, n_epochs_kl_warmup=None), made("b", STOCK, train_size=0.8))
    assert {d.name: d.values for d in found.differences} == {
        "train_size": ("90 %", "80 %"),
        "n_epochs_kl_warmup": ("none", "400"),
    }


def test_what_ran_counts_not_what_was_asked_for() -> None:
    found = compared(made("a", STOCK), made("b", STOCK, engine="fused", environment={"engine": "stock"}))
    assert "engine" not in {d.name for d in found.differences}
    assert "fallback" in {f.code for f in found.findings}


def test_pareto_set_leaves_out_what_another_run_beats_in_both() -> None:
    found = compared(
        made("fast", [400.0, 350.0], seconds=1.0, batch_size=512),
        made("good", [400.0, 330.0], seconds=3.0, batch_size=128),
        made("neither", [400.0, 360.0], seconds=2.0, batch_size=256),
    )
    assert found.front == ("fast", "good")


def test_two_runs_that_are_equal_in_both_are_both_in_the_pareto_set() -> None:
    found = compared(made("a", [400.0, 330.0], seconds=1.0), made("b", [400.0, 330.0], seconds=1.0))
    assert set(found.front) == {"a", "b"}


def test_recommended_is_the_fastest_of_those_that_are_as_good() -> None:
    found = compared(
        made("slow", [400.0, 330.0], seconds=3.0, batch_size=128),
        made("fast", [400.0, 330.9], seconds=1.0, batch_size=512),
        made("sloppy", [400.0, 350.0], seconds=0.5, batch_size=4096),
    )
    assert found.recommended == "fast"
    text = " ".join(found.verdict)
    assert "minibatch 512" in text
    assert "cannot be told from noise" in text


def test_several_seeds_give_mean_and_noise() -> None:
    runs = [
        made(f"{size}-{seed}", [400.0, loss], seconds=seconds, batch_size=size, seed=seed)
        for size, seconds, losses in ((128, 4.0, (330.0, 333.0, 331.0)), (512, 1.0, (331.0, 333.5, 332.0)))
        for seed, loss in enumerate(losses)
    ]
    found = compared(*runs)
    assert [s.label for s in found.settings] == ["minibatch 128", "minibatch 512"]
    assert found.settings[0].loss == pytest.approx(994 / 3)
    assert found.settings[0].loss_sd == pytest.approx(1.5275, abs=1e-3)
    assert [s.recommended for s in found.settings] == [False, True]
    assert "within the noise" in " ".join(found.verdict)
    assert found.fair
    assert [f.code for f in found.findings] == ["seeds"]


def test_seeds_tell_a_real_difference_from_noise() -> None:
    runs = [
        made(f"{size}-{seed}", [400.0, loss + seed / 100], seconds=seconds, batch_size=size, seed=seed)
        for size, seconds, loss in ((128, 4.0, 330.0), (512, 1.0, 331.0))
        for seed in range(3)
    ]
    assert compared(*runs).recommended == "128-0"  # 0.3 % better is real here


def test_verdict_says_speed_target_recommendation_and_projection() -> None:
    text = " ".join(duel().verdict)
    assert "fused is 4.0 times as fast as stock: 1 s per epoch, against 4 s." in text
    assert "fused reached a validation ELBO of 330.50 after 4.5 s, stock after 18 s." in text
    assert "Recommended: fused" in text
    assert "Training for 25 epochs would take about 26 s with fused, and about 1 min 42 s with stock." in text


def test_a_run_that_was_good_on_the_way_is_judged_by_the_model_it_ended_with() -> None:
    found = compared(
        made("steady", [400.0, 350.0, 331.0], seconds=3.0, batch_size=128),
        made("passing", [400.0, 330.0, 360.0], seconds=1.0, batch_size=512),
    )
    assert found.recommended == "steady"
    assert [setting.loss for setting in found.settings] == [331.0, 360.0]
    assert set(found.front) == {"steady", "passing"}


def test_the_best_is_recommended_without_being_compared_to_itself() -> None:
    found = compared(
        made("good", [400.0, 330.0], seconds=3.0, batch_size=128),
        made("sloppy", [400.0, 350.0], seconds=1.0, batch_size=512),
    )
    assert found.verdict[0].startswith(
        "Recommended: minibatch 128. It has the best final validation ELBO, 330.00, and"
    )


def test_the_recommendation_comes_first_and_a_caveat_last() -> None:
    said = compared(
        made("a", STOCK, seconds=4.0, conditions={"other_load": 0.7}), made("b", FUSED, engine="fused")
    ).verdict
    assert said[0].startswith("Recommended: fused. ")
    assert said[-1].startswith("A caveat: other programs used up to 70 % of the computer during stock")


def test_equally_fast_is_said_so() -> None:
    found = compared(made("a", STOCK, seconds=1.0), made("b", FUSED, seconds=1.02, engine="fused"))
    assert any("about equally fast" in sentence for sentence in found.verdict)


def test_different_likelihoods_have_times_but_no_winner() -> None:
    found = compared(
        made("a", STOCK, gene_likelihood="zinb"), made("b", FUSED, gene_likelihood="nb", seconds=3.0)
    )
    assert found.target is None
    assert found.winner == found.recommended == ""
    assert found.front == ()
    assert found.verdict[0].startswith("Not a fair comparison: ")
    assert "times as fast" in found.verdict[1]
    assert not any("Recommended" in sentence for sentence in found.verdict)


def test_different_data_has_no_speed_up_sentence() -> None:
    found = compared(made("a", STOCK), made("b", STOCK, seconds=9.0, dataset_id="lung", dataset_name="Lung"))
    assert not any("times as fast" in sentence for sentence in found.verdict)


def test_one_run_alone_has_numbers_and_no_verdict() -> None:
    found = compared(made("a", STOCK))
    assert found.verdict == found.findings == found.differences == ()
    assert found.winner == ""
    assert found.runs[0].best == 330.0


def test_a_run_without_validation_or_epochs_does_not_break_the_others() -> None:
    found = compared(
        made("a", STOCK),
        made("b", FUSED, engine="fused", seconds=2.0),
        made("c", [], status=RunStatus.QUEUED, max_epochs=4, batch_size=512),
    )
    assert found.runs[2].best is None
    assert found.winner == "a"
    assert "running" in {f.code for f in found.findings}


def test_a_loss_that_is_not_a_number_is_never_the_best() -> None:
    found = compared(made("a", [400.0, math.nan, 380.0]), made("b", FUSED, engine="fused"))
    assert found.runs[0].best == 380.0
    assert found.runs[0].metric("elbo_validation").last == 380.0  # type: ignore[union-attr]


def test_another_metric_is_compared_by_its_own_values() -> None:
    found = compared(made("a", STOCK), made("b", FUSED, engine="fused"), metric="validation_loss")
    assert [run.best for run in found.runs] == [325.0, 325.5]
    assert found.target == 325.5


def test_two_that_arrive_together_have_no_winner() -> None:
    assert compared(made("a", STOCK), made("b", STOCK, engine="fused")).winner == ""


def test_the_message_survives_json() -> None:
    found = duel()
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found
