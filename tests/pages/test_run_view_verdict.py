"""The sentence about a curve: right about curves whose course is known."""

from __future__ import annotations

from backend.types import Curves, MetricPoint, RunSpec
from pages.run.numbers import verdict

SPEC = RunSpec("d", n_epochs_kl_warmup=None)


def curve(validation: list[float], train: list[float] | None = None, seconds: float = 3.5) -> Curves:
    curves = Curves()
    for epoch, value in enumerate(validation, 1):
        lower = train[epoch - 1] if train else value * 0.98
        for name, number in (
            ("train_loss", lower),
            ("validation_loss", value),
            ("epoch_seconds", seconds),
        ):
            curves.add([MetricPoint(name, epoch, number, epoch * seconds)])
    return curves


def test_verdict_waits_for_a_trend() -> None:
    assert verdict(curve([500, 400]), SPEC, over=False).kind == "early"
    assert verdict(Curves(), SPEC, over=False).kind == "early"
    assert "Too few" in verdict(curve([500, 400]), SPEC, over=True).text


def test_verdict_still_improving_says_how_much_and_what_ten_more_cost() -> None:
    said = verdict(curve([500 * 0.996**epoch for epoch in range(30)]), SPEC, over=False)
    assert (
        said.text
        == "The validation loss is still decreasing by 0.4 % per epoch; ten more epochs would take about 35 s."
    )
    assert verdict(curve([500 * 0.996**e for e in range(30)]), SPEC, over=True).text.startswith(
        "The validation loss was still"
    )


def test_verdict_levelled_off() -> None:
    said = verdict(curve([500 + 200 * 0.5**epoch for epoch in range(40)]), SPEC, over=False)
    assert said.kind == "level"
    assert "plateaued" in said.text


def test_verdict_overfitting_names_the_epoch_where_the_curves_part() -> None:
    validation = [500 - 10 * e for e in range(10)] + [410 + 2 * e for e in range(1, 11)]
    train = [490 - 10 * e for e in range(20)]
    said = verdict(curve(validation, [float(t) for t in train]), SPEC, over=False)
    assert said.kind == "overfitting"
    assert "since epoch 10" in said.text


def test_verdict_rising_suggests_a_lower_rate() -> None:
    said = verdict(curve([500 * 1.01**epoch for epoch in range(12)]), SPEC, over=False)
    assert said.kind == "worse"
    assert "lower learning rate" in said.text


def test_verdict_mentions_a_warm_up_that_is_not_over() -> None:
    falling = curve([500 * 0.996**epoch for epoch in range(20)])
    said = verdict(falling, SPEC.replace(n_epochs_kl_warmup=400), over=False)
    assert said.warm_up
    assert "KL warm-up is still in progress (weight 0.05 of 1)" in said.text
    assert not verdict(falling, SPEC.replace(n_epochs_kl_warmup=20), over=False).warm_up
    rising = curve([500 * 1.01**epoch for epoch in range(20)])
    assert "provisional" in verdict(rising, SPEC.replace(n_epochs_kl_warmup=400), over=False).text


def test_verdict_judges_by_training_loss_without_validation() -> None:
    curves = Curves()
    curves.add(MetricPoint("train_loss", e, 500 * 0.99**e, e) for e in range(1, 20))
    assert verdict(curves, SPEC, over=False).kind == "improving"
