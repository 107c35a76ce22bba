"""Fair play: what makes a comparison less than a fair experiment is found, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from backend.comparison import compare_runs
from backend.types import FairPlayFinding, RunStatus
from backend.words import finding_sentence
from tests.comparison.made_runs import made

LOSSES = [400.0, 360.0, 340.0, 330.0]


def found(*runs: Any) -> dict[str, FairPlayFinding]:
    records = [run for run, _ in runs]
    comparison = compare_runs(records, {run.run_id: curves for run, curves in runs})
    assert all(finding_sentence(finding).endswith((".", ")")) for finding in comparison.findings)
    return {finding.code: finding for finding in comparison.findings}


def against(**other: Any) -> dict[str, FairPlayFinding]:
    losses = other.pop("losses", LOSSES)
    return found(made("a", LOSSES), made("b", losses, **{"engine": "fused", **other}))


def test_the_same_but_for_engine_and_device_is_fair() -> None:
    assert against(device="mps:0", accelerator="mps") == {}


def test_another_minibatch_size_and_its_learning_rate_are_fair() -> None:
    assert against(batch_size=1024, lr=0.008) == {}


@pytest.mark.parametrize(
    ("other", "code", "severity"),
    [
        ({"dataset_id": "lung"}, "data", "unfair"),
        ({"gene_likelihood": "nb"}, "likelihood", "unfair"),
        ({"n_epochs_kl_warmup": 10}, "kl_warm_up", "note"),
        ({"train_size": 0.8}, "train_size", "unfair"),
        ({"seed": 1}, "split", "unfair"),
        ({"losses": [*LOSSES, 329.0]}, "epochs", "unfair"),
        ({"check_val_every_n_epoch": 5}, "validation", "caution"),
        ({"batch_key": "donor"}, "covariates", "caution"),
        ({"continuous_covariate_keys": ("age",)}, "covariates", "caution"),
        ({"dispersion": "gene-cell"}, "covariates", "caution"),
        ({"early_stopping": True}, "early_stopping", "caution"),
        ({"conditions": {"other_load": 0.6}}, "busy", "caution"),
        ({"conditions": {"on_battery": True}}, "battery", "caution"),
        ({"conditions": {"throttled": True}}, "throttled", "caution"),
        ({"environment": {"engine": "stock"}}, "fallback", "caution"),
        ({"accelerator": "mps"}, "fallback", "caution"),
        ({"status": RunStatus.RUNNING}, "running", "caution"),
        ({"status": RunStatus.FAILED}, "failed", "caution"),
        ({"status": RunStatus.STOPPED, "max_epochs": 4, "losses": LOSSES[:2]}, "stopped", "caution"),
        ({"environment": {"cpu": "Another"}}, "machines", "note"),
        ({"record": {"imported_from": "a Mac"}}, "machines", "note"),
        ({"environment": {"torch": "2.12"}}, "version_torch", "note"),
        ({"warm": (1, 3)}, "paused", "note"),
        ({"validated": False}, "no_validation", "caution"),
    ],
)
def test_what_is_unlike_is_found(other: dict[str, Any], code: str, severity: str) -> None:
    findings = against(**other)
    assert list(findings) == [code]
    assert findings[code].severity == severity


def test_different_genes_are_named_beside_the_data() -> None:
    findings = against(dataset_id="blood-2", record={"n_vars": 4000})
    assert list(findings) == ["data", "genes"]
    assert "765 and 4,000" in finding_sentence(findings["genes"])


def test_a_finding_names_the_runs_it_concerns() -> None:
    finding = against(conditions={"other_load": 0.6})["busy"]
    assert finding.run_ids == ("b",)
    assert "60 %" in finding_sentence(finding)
    assert "fused" in finding_sentence(finding)
    assert finding.affects == ("time",)


def test_a_little_other_load_is_no_finding() -> None:
    assert against(conditions={"other_load": 0.05, "on_battery": False}) == {}


def test_a_computer_that_slows_down_is_noticed_from_the_epochs_themselves() -> None:
    losses = [400.0 - epoch for epoch in range(12)]
    hot = [1.0] * 6 + [1.6] * 6
    assert list(found(made("a", losses), made("b", losses, engine="fused", paces=hot))) == ["slowed"]
    restless = [1.0, 3.0] * 6
    assert list(found(made("a", losses), made("b", losses, engine="fused", paces=restless))) == ["uneven"]


def test_the_same_seeds_for_every_setting_are_fair_and_others_are_not() -> None:
    grid = [made(f"{e}{s}", LOSSES, engine=e, seed=s) for e in ("stock", "fused") for s in (0, 1)]
    assert [(f.code, f.severity) for f in found(*grid).values()] == [("seeds", "note")]
    assert list(found(*grid[:3])) == ["split"]


def test_worst_findings_come_first() -> None:
    codes = list(against(seed=3, conditions={"on_battery": True}, environment={"torch": "2.12"}))
    assert codes == ["split", "battery", "version_torch"]


def test_a_finding_about_many_runs_stays_a_sentence() -> None:
    many = [made(str(i), LOSSES, batch_size=128 + i, conditions={"on_battery": i < 6}) for i in range(8)]
    assert "and 3 more" in finding_sentence(found(*many)["battery"])
    assert "all 6 runs" in finding_sentence(found(*many[:6])["battery"])
