"""Pairs of runs that differ in one setting, or in what belongs together: what is said, and what can be concluded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend.comparison import compare_runs
from backend.exports import TOGETHER
from backend.types import Comparison, Effect, RunRecord, RunSpec, RunStatus, settings_of
from backend.words import finding_sentence
from tests.comparison.made_runs import made

ALL = {"final_loss", "target", "total_time", "epoch_time"}
TIMES = {"total_time", "epoch_time"}
GOOD, AS_GOOD, WORSE = [400.0, 360.0, 330.0], [401.0, 361.0, 330.5], [420.0, 390.0, 380.0]

# setting: another value, the code and severity of the finding, what can still be concluded
PAIRS: dict[str, tuple[Any, str, set[str]]] = {
    "dataset_id": ("lung", "data unfair", set()),
    "engine": ("fused", "", ALL),
    "accelerator": ("mps", "", ALL),
    "batch_size": (512, "", ALL),
    "lr": (0.004, "", ALL),
    "lr_rule": ("manual", "", ALL),
    "max_epochs": (9, "epochs unfair", {"target", "epoch_time"}),
    "batch_key": ("donor", "covariates caution", ALL),
    "categorical_covariate_keys": (("lane",), "covariates caution", ALL),
    "continuous_covariate_keys": (("age",), "covariates caution", ALL),
    "gene_likelihood": ("nb", "likelihood unfair", TIMES),
    "dispersion": ("gene-cell", "covariates caution", ALL),
    "n_latent": (20, "", ALL),
    "n_hidden": (64, "", ALL),
    "n_layers": (2, "", ALL),
    "dropout_rate": (0.2, "", ALL),
    "train_size": (0.5, "train_size unfair", set()),
    "seed": (1, "seeds note", ALL),
    "check_val_every_n_epoch": (2, "validation caution", ALL),
    "early_stopping": (True, "early_stopping caution", ALL),
    "early_stopping_patience": (9, "", ALL),
    "n_epochs_kl_warmup": (10, "kl_warm_up note", ALL),
    "precision": ("bf16-mixed", "", ALL),
    "lr_schedule": ("cosine", "", ALL),
    "lr_warmup": (0.1, "", ALL),
    "lr_end": (0.1, "", ALL),
    "norm_momentum": (0.1, "", ALL),
    "output_start": ("gene_means", "", ALL),
    "norm_recalibration": (True, "", ALL),
}


def comparison_text(found: Comparison, records: list[RunRecord], folder: Path) -> str:
    written = folder / "methods.txt"
    TOGETHER["methods.txt"].build(SimpleNamespace(comparison=found, records=records), written)  # type: ignore[arg-type]
    return written.read_text("utf-8")


def compared(*runs: Any, **how: Any) -> Comparison:
    return compare_runs(
        [run for run, _ in runs], {run.run_id: curves for run, curves in runs}, **{"finished": 1.0, **how}
    )


def pair(losses: list[float] = WORSE, **other: Any) -> Comparison:
    """The slow run is the better one, by far."""
    extra: dict[str, Any] = {"device": other["accelerator"]} if "accelerator" in other else {}
    settings = {"max_epochs": 3, **other}
    extra["record"] = {"epoch": settings["max_epochs"]}
    return compared(made("a", GOOD, seconds=3.0), made("b", losses, seconds=1.0, **settings, **extra))


def test_there_is_a_pair_for_every_setting() -> None:
    compared_settings = {n for n, one in settings_of(RunSpec).items() if one.effect is not Effect.NAME}
    assert set(PAIRS) == compared_settings


@pytest.mark.parametrize("name", PAIRS)
def test_two_runs_that_differ_in_a_setting_are_told_so(name: str, tmp_path: Path) -> None:
    value, finding, holds = PAIRS[name]
    found = pair(**{name: value})
    assert [one.name for one in found.differences] == [name]
    assert found.differences[0].label == settings_of(RunSpec)[name].label
    assert len(set(found.differences[0].values)) == 2 or name == "dataset_id"
    assert " ".join(f"{f.code} {f.severity}" for f in found.findings) == finding
    assert set(found.comparable) == holds
    records = [made("a", GOOD)[0], made("b", WORSE, **{name: value})[0]]
    text = comparison_text(found, records, tmp_path)
    assert found.differences[0].label in text
    assert "All settings were the same" not in text


@pytest.mark.parametrize("name", PAIRS)
def test_the_verdict_claims_what_can_be_concluded_and_nothing_else(name: str) -> None:
    value, finding, holds = PAIRS[name]
    found = pair(**{name: value})
    said = " ".join(found.verdict)
    ranked = {"final_loss", "total_time"} <= holds and name != "seed"
    assert ("Recommended: " in said) == ranked == bool(found.recommended) == bool(found.recommendation)
    assert found.recommended == ("a" if ranked else "")
    assert bool(found.front) == bool({"final_loss", "total_time"} <= holds)
    assert (found.target is not None) == ("target" in holds)
    assert ("validation ELBO of" in said) == ("target" in holds)
    assert ("times as fast" in said) == ("epoch_time" in holds)
    assert said.startswith("Not a fair comparison: ") == finding.endswith("unfair")
    assert ("A caveat: " in said) == finding.endswith("caution")
    assert "lowest" not in said
    assert not (found.winner and "target" not in holds)
    if name == "seed":
        assert found.winner == "", "two seeds of one setting"


def test_kl_warm_up_leaves_the_elbo_comparable() -> None:
    found = pair(n_epochs_kl_warmup=10)
    assert found.metric == "elbo_validation"
    assert set(found.comparable) == ALL
    assert [(f.code, f.severity) for f in found.findings] == [("kl_warm_up", "note")]
    assert found.fair
    assert found.recommended == "a"
    assert found.verdict[0].startswith("Recommended: ")
    weighted = compared(
        made("a", GOOD, seconds=3.0),
        made("b", WORSE, seconds=1.0, n_epochs_kl_warmup=10),
        metric="validation_loss",
    )
    assert "Compare the ELBO instead." in weighted.verdict[0]
    assert set(weighted.comparable) == TIMES


def test_runs_that_did_not_log_the_elbo_are_compared_by_what_all_have() -> None:
    old = made("a", GOOD, seconds=3.0, elbo=False)
    found = compared(old, made("b", WORSE, seconds=1.0, engine="fused"))
    assert found.metric == "validation_loss"
    assert [run.last for run in found.runs] == [GOOD[-1] - 5, WORSE[-1] - 5]
    assert "KL-weighted validation loss" in " ".join(found.verdict)


def test_runs_that_still_learn_have_no_winner_by_loss() -> None:
    short = [420.0, 395.0, 380.0, 370.0, 363.0], [430.0, 400.0, 378.0, 365.0, 355.0]
    runs = made("a", short[0], seconds=1.0), made("b", short[1], seconds=3.0, engine="fused")
    found = compare_runs([run for run, _ in runs], {run.run_id: curves for run, curves in runs})
    assert (found.recommended, found.recommendation, found.why) == ("", "", "")
    assert not any(setting.recommended for setting in found.settings)
    assert len(found.settings) == 2
    assert found.verdict[0].startswith(
        "No setting is recommended: the validation ELBO was still falling at the end, by up to 3.2 % per epoch"
    )
    done = [
        made(run.run_id, [*losses, *[losses[-1] - 0.1] * 3], engine=run.spec.engine, seconds=seconds)
        for (run, _), losses, seconds in zip(runs, short, (1.0, 3.0), strict=True)
    ]
    found = compare_runs([run for run, _ in done], {run.run_id: curves for run, curves in done})
    assert found.recommended == "b"


def test_no_warm_up_is_the_same_however_it_is_written() -> None:
    found = compared(made("a", GOOD, n_epochs_kl_warmup=None), made("b", GOOD, n_epochs_kl_warmup=0))
    assert found.differences == found.findings == ()


def test_another_number_of_epochs_has_a_first_and_no_recommendation() -> None:
    found = compared(
        made("a", [400.0, 360.0, 330.0, 329.0], seconds=3.0),
        made("b", [390.0, 329.5], seconds=1.0, engine="fused"),
    )
    assert found.verdict[0] == (
        "Not a fair comparison: the runs were set to train for different numbers of epochs (2 and 4): compare the time "
        "to the same loss, not the final loss or the total time."
    )
    assert (found.winner, found.recommended, found.recommendation, found.why) == ("b", "", "", "")
    assert any("reached a validation ELBO of" in sentence for sentence in found.verdict)
    assert not any("final" in sentence for sentence in found.verdict[1:])


def test_another_training_fraction_is_neither_ranked_nor_timed() -> None:
    found = pair(train_size=0.5)
    assert found.verdict == (
        "Not a fair comparison: training fraction (train_size) differs (50 % and 90 %): the losses are of different "
        "validation cells, and epochs are not equally long.",
    )


def test_several_covariates_are_one_caution_with_all_names() -> None:
    found = pair(batch_key="donor", continuous_covariate_keys=("age",), dispersion="gene-batch")
    (caution,) = found.findings
    assert finding_sentence(caution).startswith(
        "Batch (batch_key), continuous covariates and dispersion (dispersion) differ: "
    )


def test_the_worst_is_said_first_and_the_rest_stays_found() -> None:
    found = pair(train_size=0.5, gene_likelihood="nb", batch_key="donor", max_epochs=7)
    assert [f.severity for f in found.findings] == ["unfair"] * 3 + ["caution"]
    assert found.comparable == ()
    assert len(found.verdict) == 1


def test_runs_that_did_not_end_by_themselves_are_not_ranked() -> None:
    for status in (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.INTERRUPTED, RunStatus.RUNNING):
        found = compared(
            made("a", GOOD, seconds=3.0),
            made("b", AS_GOOD, seconds=2.0, engine="fused"),
            made("c", GOOD, seconds=0.5, batch_size=512, status=status),
        )
        assert found.recommended == "b", status
        assert "c" not in found.front
        assert not any(sentence.startswith("Not a fair") for sentence in found.verdict)
        assert any("so not ranked" in sentence for sentence in found.verdict)
    stopped = made("c", GOOD[:2], seconds=0.5, batch_size=512, status=RunStatus.STOPPED, max_epochs=3)
    found = compared(made("a", GOOD, seconds=3.0), made("b", AS_GOOD, seconds=2.0, engine="fused"), stopped)
    assert (found.recommended, "c" in found.front) == ("b", False)


def test_what_cannot_be_told_apart_has_no_winner() -> None:
    found = compared(made("a", GOOD, seconds=1.0), made("b", AS_GOOD, seconds=1.02, engine="fused"))
    assert (found.recommended, found.winner) == ("", "")
    assert found.verdict[0] == (
        "No clear winner: the final validation ELBO and the training time of stock and fused cannot be told apart."
    )


def seeds(times: dict[str, tuple[float, ...]], losses: dict[str, tuple[float, ...]]) -> Comparison:
    return compared(
        *(
            made(f"{engine}{seed}", [400.0, loss], seconds=seconds, engine=engine, seed=seed)
            for engine in times
            for seed, (seconds, loss) in enumerate(zip(times[engine], losses[engine], strict=True))
        )
    )


def test_differences_within_the_noise_of_seeds_have_no_winner() -> None:
    same = {"stock": (330.0, 333.0, 331.0), "fused": (331.0, 333.5, 332.0)}
    noisy = seeds({"stock": (2.0, 3.0, 2.5), "fused": (2.1, 2.6, 2.2)}, same)
    assert (noisy.recommended, noisy.winner) == ("", "")
    assert noisy.verdict[0].startswith("No clear winner: ")
    clear = seeds({"stock": (2.0, 2.1, 2.2), "fused": (1.0, 1.1, 1.2)}, same)
    assert clear.recommended == "fused0"
    assert "within the noise" in clear.verdict[0]


def test_methods_say_by_what_runs_were_compared_only_where_they_were(tmp_path: Path) -> None:
    records = [made("a", GOOD)[0], made("b", WORSE)[0]]
    assert "by the validation ELBO of their last epoch" in comparison_text(
        pair(n_latent=20), records, tmp_path
    )
    text = comparison_text(pair(gene_likelihood="nb"), records, tmp_path)
    assert "of their last epoch" not in text
    assert "measure different things" in text
