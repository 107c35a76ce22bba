"""Messages survive JSON; what older or newer versions wrote opens; what is no message is refused with its place."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from backend.types import (
    GroupRecord,
    MetricPoint,
    Problem,
    Remedy,
    RunRecord,
    RunSpec,
    RunStatus,
    SweepPlan,
    notice,
)

RECORD = RunRecord(
    "r1",
    RunSpec("d", categorical_covariate_keys=("donor", "lane"), n_epochs_kl_warmup=None),
    RunStatus.STOPPED,
    "a run",
    1.0,
    notices=(notice("empty_cells_dropped", n=12), notice("unreadable_left_out", names=("a", "b"))),
    problem=Problem("code", "error", "What.", (Remedy("Again", "resubmit", {"lr": 1e-3}),)),
    environment={"torch": "2.13.0"},
    conditions={"other_load": 0.5},
)


def there_and_back(message: RunRecord) -> RunRecord:
    return RunRecord.from_dict(json.loads(json.dumps(message.to_dict())))


def test_a_record_survives_json_with_everything_inside_it() -> None:
    back = there_and_back(RECORD)
    assert back == RECORD
    assert type(back.status) is RunStatus
    assert type(back.spec.categorical_covariate_keys) is tuple


def test_numbers_that_are_none_survive() -> None:
    for value in (math.nan, math.inf, -math.inf):
        point = MetricPoint("validation_loss", 1, value, 0.5)
        back = MetricPoint.from_dict(json.loads(json.dumps(point.to_dict())))
        assert back.value == value or (math.isnan(back.value) and math.isnan(value))


def test_what_an_older_or_newer_version_wrote_opens() -> None:
    data = RECORD.to_dict() | {"unknown": 1}
    data["spec"] = {"dataset_id": "d", "lr": 1, "batch_size": 1, "no_longer_a_setting": True}
    back = RunRecord.from_dict(data)
    assert back.spec == RunSpec("d", lr=1.0, batch_size=1)  # a bound of today is not asked for
    assert type(back.spec.lr) is float


def test_numbers_of_numpy_travel_as_plain_ones() -> None:
    plain = RECORD.replace(elapsed=np.float64(1.5), n_obs=np.int64(3)).to_dict()
    assert (type(plain["elapsed"]), type(plain["n_obs"])) == (float, int)
    with pytest.raises(TypeError, match="object cannot travel"):
        RECORD.replace(conditions={"what": object()}).to_dict()


def test_what_is_no_message_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"spec\.batch_size"):
        RunRecord.from_dict(RECORD.to_dict() | {"spec": {"dataset_id": "d", "batch_size": "many"}})
    with pytest.raises(ValueError, match="spec"):
        RunRecord.from_dict({"run_id": "r1"})


def test_a_sweep_doubles_the_usual_minibatch_of_128_five_times() -> None:
    assert SweepPlan(RunSpec("d")).batch_sizes == tuple(RunSpec("d").batch_size * 2**n for n in range(6))


def test_a_plan_with_values_of_any_kind_survives() -> None:
    plan = SweepPlan(RunSpec("d"), seeds=(0, 1), other={"n_latent": (5, 10), "batch_key": (None, "donor")})
    group = GroupRecord("g", "sweep", "a sweep", 0.0, plan=plan)
    back = GroupRecord.from_dict(json.loads(json.dumps(group.to_dict())))
    assert back.plan is not None
    assert back.plan.seeds == (0, 1)
    assert {name: tuple(values) for name, values in back.plan.other.items()} == plan.other
