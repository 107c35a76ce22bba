"""The command line: one line for bad input, one JSON object for scripts, Ctrl-C that keeps the model."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from backend.cli import main
from backend.registry import RunRegistry
from backend.services import build_services
from backend.settings import Settings
from backend.types import RunStatus
from tests.runs.fakes import FakeTrain


@pytest.mark.usefixtures("tmp_path")
@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["train"], "FILE --demo --simulate is required"),
        (["train", "a.h5ad", "--demo"], "not allowed with"),
        (["train", "--demo", "--batch-size", "many"], "whole number between 3 and 1,000,000, and is 'many'"),
        (["train", "--demo", "--batch-size", "2"], "whole number between 3 and"),
        (["train", "--demo", "--max-epochs", "0"], "whole number between 1 and"),
        (["train", "--demo", "--max-epochs", "1.5"], "whole number"),
        (["train", "--demo", "--lr", "-1"], "learning rate (lr) must be a number between"),
        (["train", "--demo", "--lr", "nan"], "learning rate (lr) must be a number between"),
        (["train", "--demo", "--lr", "1e400"], "learning rate (lr) must be a number between"),
        (["train", "--demo", "--n-latent", "inf"], "latent dimensions (n_latent) must be a whole number"),
        (
            ["train", "--demo", "--accelerator", "tpu"],
            "device 'tpu' is unknown. Choose one of: auto, cpu, mps, cuda",
        ),
        (["train", "--demo", "--engine", "warp"], "engine 'warp' is unknown. Choose one of: fused, stock"),
        (["train", "--demo", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["train", "--simulate", "100"], "CELLSxGENES, for example 5000x2000"),
        (["train", "no such file.h5ad"], "There is no file"),
        (["launch"], "invalid choice: 'launch'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (lambda counts: np.log1p(counts), "log"),
        (lambda counts: counts - 5, "negative"),
    ],
)
def test_a_file_without_counts_is_refused_with_the_reason(
    tmp_path: Path, run: Any, values: Any, says: str, train: FakeTrain
) -> None:
    counts = np.random.default_rng(0).poisson(2, (60, 30)).astype("float32")
    path = tmp_path / "normalised.h5ad"
    anndata.AnnData(sp.csr_matrix(values(counts))).write_h5ad(path)
    code, out, err = run("train", str(path), "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err.lower()
    assert train.specs == []


def test_a_file_that_is_something_else_is_refused(tmp_path: Path, run: Any) -> None:
    path = tmp_path / "notes.h5ad"
    path.write_text("not hdf5")
    code, out, err = run("train", str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_an_unknown_batch_key_lists_what_there_is(run: Any, train: FakeTrain) -> None:
    code, _, err = run("train", "--demo", "--batch-key", "donor")
    assert code == 2
    assert "'donor'" in err
    assert "bulk_labels" in err
    assert train.specs == []


def test_json_is_one_object_with_what_a_script_needs(run: Any, train: FakeTrain, workspace: Path) -> None:
    argv = ["--accelerator", "cpu", "--batch-size", "256", "--max-epochs", "4", "--seed", "7", "--json"]
    code, out, err = run("train", "--demo", "--batch-key", "phase", *argv)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["status"] == "finished"
    assert result["seconds_per_epoch"] == [9.0, 1.02, 1.03, 1.04]
    assert result["cells_per_second"] == 630
    assert result["history"]["train_loss"] == [100, 50, 100 / 3, 25]
    assert Path(result["model_dir"], "model.pt").exists()
    assert (result["engine"], result["implementation"]) == ("fused", "made up")
    assert result["preparation_seconds"] == 1.5
    assert "told at the start" in result["notices"]
    assert result["spec"]["batch_key"] == "phase"
    assert (result["spec"]["lr"], result["spec"]["lr_rule"], result["spec"]["seed"]) == (0.02, "manual", 7)
    registry = RunRegistry(Settings(workspace).registry_path)
    registry.open()
    record = registry.get(result["run_id"])
    registry.close()
    assert record.origin == "command line"
    assert (
        record.spec.to_dict() | {"categorical_covariate_keys": [], "continuous_covariate_keys": []}
        == result["spec"]
    )


def test_a_rate_given_by_hand_is_taken_as_it_is(run: Any, train: FakeTrain) -> None:
    run("train", "--demo", "--accelerator", "cpu", "--lr", "0.01", "--json", "--name", "by hand")
    assert (train.specs[0].lr, train.specs[0].lr_rule) == (0.01, "manual")


def test_engine_and_precision_are_chosen(run: Any, train: FakeTrain) -> None:
    run("train", "--demo", "--accelerator", "cpu", "--engine", "stock", "--precision", "bfloat16", "--json")
    assert (train.specs[0].engine, train.specs[0].precision) == ("stock", "bf16-mixed")


def test_too_few_steps_for_the_running_averages_are_said_once(run: Any, train: FakeTrain) -> None:
    short = ["--demo", "--accelerator", "cpu", "--preset", "scvi-tools", "--max-epochs", "5"]
    code, _, err = run("train", *short)
    assert code == 0
    assert err.count("running averages of batch normalisation (momentum 0.01) lag behind") == 1
    assert "Switch batch-norm recalibration on." in err
    assert err.index("lag behind") < err.index("told at the start")


def test_for_people_there_is_a_summary(run: Any, train: FakeTrain) -> None:
    code, out, err = run("train", "--demo", "--accelerator", "cpu", "--max-epochs", "3", "--name", "mine")
    assert code == 0
    assert "mine: finished after 3 of 3 epochs" in out
    assert "best KL-weighted validation loss 33.33 at epoch 3" in out
    assert "630 cells/s, fused engine (made up)" in out
    assert "1.5 s before it to prepare the engine" in out
    assert err.count("told at the start") == 1
    assert "model " in out


def test_simulated_counts_can_be_trained_on(run: Any, train: FakeTrain) -> None:
    code, out, _ = run("train", "--simulate", "200x100", "--accelerator", "cpu", "--json")
    assert code == 0
    assert "imulated" in json.loads(out)["spec"]["dataset_name"]


def test_a_failed_run_is_told_on_stderr_and_by_the_exit_code(run: Any, train: FakeTrain) -> None:
    train.diverge_at = 1
    code, out, err = run("train", "--demo", "--accelerator", "cpu", "--json")
    assert code == 1
    assert json.loads(out)["status"] == "failed"
    assert json.loads(out)["model_dir"] is None
    assert err == "error: not a number\n"


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_stops_and_keeps_the_model(run: Any, train: FakeTrain) -> None:
    train.at[3] = press_ctrl_c
    before = signal.getsignal(signal.SIGINT)
    code, out, _ = run("train", "--demo", "--accelerator", "cpu", "--max-epochs", "100000", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["status"] == "stopped"
    assert Path(result["model_dir"], "model.pt").exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_discards(run: Any, train: FakeTrain, workspace: Path) -> None:
    registry = RunRegistry(Settings(workspace).registry_path)

    def wait_until_asked_to(what: str) -> None:
        deadline = time.monotonic() + 10
        while [r.requested for r in registry.list(status=RunStatus.RUNNING)] != [what]:
            assert time.monotonic() < deadline

    def press_twice() -> None:
        registry.open()
        for what in ("stop", "cancel"):
            press_ctrl_c()
            wait_until_asked_to(what)
        registry.close()

    train.at[3] = press_twice
    code, out, _ = run("train", "--demo", "--accelerator", "cpu", "--max-epochs", "100000", "--json")
    assert code == 130
    assert json.loads(out)["status"] == "canceled"


def test_termination_leaves_a_run_that_can_be_resumed(run: Any, train: FakeTrain, workspace: Path) -> None:
    train.at[3] = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        run(
            "train",
            "--demo",
            "--accelerator",
            "cpu",
            "--max-epochs",
            "100000",
            "--json",
            "--name",
            "terminated",
        )
    assert left.value.code == 143
    services = build_services(Settings(workspace))
    services.start(server=False)
    assert [r.status for r in services.runs.list(search="terminated")] == ["interrupted"]
    services.close()


def test_runs_are_listed_for_people_and_for_scripts(run: Any, train: FakeTrain) -> None:
    run("train", "--demo", "--accelerator", "cpu", "--name", "evil \x1b[31m name")
    code, table, _ = run("runs")
    assert code == 0
    assert "evil [31m name" in table
    assert "\x1b" not in table
    code, out, _ = run("runs", "--json")
    newest = json.loads(out)[0]
    assert (newest["status"], newest["origin"]) == ("finished", "command line")


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with monkeypatch.context() as patch, suppress(BrokenPipeError), os.fdopen(write, "w") as pipe:
        patch.setattr(sys, "stdout", pipe)
        assert main(["runs", "--json", "--workspace", str(tmp_path)]) == 141
        sys.stdout.close()


def test_an_empty_workspace_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--workspace", str(tmp_path / "new")]) == 0
    assert "python -m backend train --demo" in capsys.readouterr().out
    assert main(["runs", "--workspace", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
