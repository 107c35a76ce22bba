"""A plan becomes the right runs, each once, or is refused in a sentence before any is queued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backend.errors import BadInput
from backend.groups._grid import grid
from backend.types import RunSpec, SweepPlan, notice
from tests.groups.conftest import plan
from tests.runs.conftest import Room


def points(plan: SweepPlan, n_obs: int = 100_000) -> list[RunSpec]:
    return grid(plan, n_obs, lambda spec: spec)[0]


def test_the_default_sweep_is_the_published_one_with_both_engines() -> None:
    specs = points(SweepPlan(RunSpec("d", accelerator="cpu")))
    assert [(s.batch_size, s.engine, s.lr) for s in specs] == [
        (size, engine, rate)
        for size, rate in zip(
            (128, 256, 512, 1024, 2048, 4096), (0.001, 0.002, 0.004, 0.008, 0.016, 0.032), strict=True
        )
        for engine in ("stock", "fused")
    ]


def test_seeds_come_one_pass_after_the_other() -> None:
    specs = points(plan(seeds=(0, 1), engines=("stock", "fused")))
    assert [s.seed for s in specs] == [0] * 4 + [1] * 4


def test_rules_reckon_from_the_rate_at_128() -> None:
    swept = plan(lr_rules=("linear", "sqrt", "fixed"), batch_sizes=(512,))
    rates = [s.lr for s in points(swept.replace(base=swept.base.replace(lr=0.002)))]
    assert rates == [0.008, 0.004, 0.002]


def test_a_size_where_the_rules_agree_is_trained_once() -> None:
    specs = points(plan(lr_rules=("linear", "fixed")))
    assert [(s.batch_size, s.lr) for s in specs] == [(128, 0.001), (256, 0.002), (256, 0.001)]


def test_any_other_setting_can_be_varied() -> None:
    specs = points(plan(batch_sizes=(128,), other={"n_latent": (5, 10), "gene_likelihood": ("nb", "zinb")}))
    assert [(s.n_latent, s.gene_likelihood) for s in specs] == [
        (5, "nb"),
        (5, "zinb"),
        (10, "nb"),
        (10, "zinb"),
    ]


def test_sizes_larger_than_the_training_set_are_left_out_with_a_sentence() -> None:
    specs, notices = grid(plan(batch_sizes=(512, 630, 631, 1024)), 700, lambda spec: spec)
    assert [s.batch_size for s in specs] == [512, 630]
    assert notices == (notice("sizes_left_out", sizes=(631, 1024), cells=630),)


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"batch_sizes": ()}, "at least one minibatch size"),
        ({"engines": ()}, "at least one engine"),
        ({"seeds": ()}, "at least one random seed"),
        ({"batch_sizes": (1,)}, "between 3 and 1,000,000, and is 1"),
        ({"batch_sizes": (128.0,)}, "whole number"),
        ({"lr_rules": ("cubic",)}, "'cubic' is unknown"),
        ({"other": {"dataset_id": ("x",)}}, "no setting 'dataset_id' to vary"),
        ({"other": {"__class__": ("x",)}}, "no setting '__class__' to vary"),
        ({"other": {"n_latent": ()}}, "at least one value for n_latent"),
        ({"other": {"lr": ("fast",)}}, "fast"),
        ({"seeds": tuple(range(101))}, "comes to 202 runs; a sweep has at most 200"),
        ({"batch_sizes": (200_000,)}, "Choose a size up to 90,000"),
    ],
)
def test_what_makes_no_grid_is_refused_in_a_sentence(waiting: Room, axes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        grid(plan(**axes), 100_000, waiting.runs.check)


def test_a_plan_survives_json() -> None:
    swept = plan(other={"n_latent": (5, 10), "batch_key": (None, "channel")}, seeds=(0, 1))
    assert SweepPlan.from_dict(json.loads(json.dumps(swept.to_dict()))) == swept
