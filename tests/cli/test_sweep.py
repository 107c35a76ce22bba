"""``python -m backend sweep``: the grid, the answer for scripts, the table, and leaving it for later."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from backend.services import Services, build_services
from backend.settings import Settings
from tests.runs.fakes import FakeTrain

CONTRACT = {"engine", "accelerator", "batch_size", "lr", "seconds", "validation_loss", "run_id"}
SMALL = ("--demo", "--accelerators", "cpu", "--batch-sizes", "128,256", "--max-epochs", "1")


@pytest.fixture
def server(workspace: Path) -> Any:
    """A dashboard that looks at the same workspace."""
    services: list[Services] = []

    def look() -> Services:
        if not services:
            services.append(build_services(Settings(workspace), executor="inline"))
            services[0].registry.open()
        return services[0]

    yield look
    for one in services:
        one.close()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["sweep"], "one of the arguments FILE --demo --simulate --resume is required"),
        (
            ["sweep", "--demo", "--batch-sizes", "128,many"],
            "whole number between 3 and 1,000,000, and is 'many'",
        ),
        (["sweep", "--demo", "--batch-sizes", ""], "whole number between 3"),
        (["sweep", "--demo", "--batch-sizes", "128,1"], "whole number between 3 and 1,000,000, and is '1'"),
        (["sweep", "--demo", "--lr-rule", "cubic"], "'cubic' is unknown. Choose one of: linear, sqrt, fixed"),
        (["sweep", "--demo", "--engines", "stock,warp"], "'warp' is unknown"),
        (["sweep", "--demo", "--accelerators", "tpu"], "'tpu' is unknown"),
        (["sweep", "--demo", "--accelerators", "cuda"], "cannot be used here"),
        (["sweep", "--demo", "--seeds", "-1"], "whole number between 0"),
        (["sweep", "--demo", "--max-epochs", "0"], "whole number between 1"),
        (["sweep", "--demo", "--set", "n_latent"], "NAME=VALUE,VALUE, and is 'n_latent'"),
        (["sweep", "--resume", "none-such"], "no such group"),
        (["sweep", "no such file.h5ad"], "There is no file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(argv: list[str], says: str, run: Any) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--batch-sizes", "1024,2048"], "No minibatch size fits"),
        (["--set", "n_latent=10,many"], "latent dimensions (n_latent) must be a whole number"),
        (["--set", "colour=red"], "There is no setting 'colour' to vary"),
        (["--seeds", ",".join(map(str, range(40)))], "a sweep has at most 200"),
    ],
)
def test_nothing_is_trained_where_one_point_is_wrong(
    argv: list[str], says: str, run: Any, train: FakeTrain
) -> None:
    code, out, err = run("sweep", "--demo", "--accelerators", "cpu", "--json", *argv)
    assert (code, out, train.specs) == (2, "", [])
    assert says in err
    assert err.count("\n") == 1


def test_json_ends_with_one_object_of_truly_trained_rows(run: Any) -> None:
    code, out, err = run("sweep", *SMALL, "--engines", "stock,fused", "--seeds", "0", "--json")
    assert code == 0, err
    answer = json.loads(out)
    assert out.count("\n") == 1
    assert [(row["engine"], row["batch_size"], row["lr"]) for row in answer["rows"]] == [
        ("stock", 128, 0.001),
        ("fused", 128, 0.001),
        ("stock", 256, 0.002),
        ("fused", 256, 0.002),
    ]
    for row in answer["rows"]:
        assert row.keys() >= CONTRACT
        assert row["accelerator"] == "cpu"
        assert row["seconds"] > 0
        assert 100 < row["validation_loss"] < 10_000
    assert len({row["run_id"] for row in answer["rows"]}) == 4
    assert answer["group_id"]


def test_for_people_there_is_a_table(run: Any, train: FakeTrain) -> None:
    code, out, err = run("sweep", *SMALL, "--batch-sizes", "128,1024", "--engines", "stock", "--name", "Mine")
    assert code == 0
    assert out.splitlines()[0].split() == [
        "minibatch",
        "LR",
        "rule",
        "engine",
        "device",
        "seed",
        "seconds",
        "val.",
        "ELBO",
        "status",
        "run",
    ]
    assert out.splitlines()[1].startswith("128        0.001  linear  stock   cpu     0     1.0")
    assert "Minibatch size 1,024 is left out: there are only 630 cells" in err


def test_any_setting_can_be_swept(run: Any, train: FakeTrain) -> None:
    code, out, _ = run(
        "sweep", *SMALL, "--batch-sizes", "128", "--set", "gene_likelihood=nb,zinb", "--set", "n_latent=5,10",
        "--engines", "stock", "--lr-rule", "linear,fixed", "--json",
    )  # fmt: skip
    assert code == 0
    assert [(s.gene_likelihood, s.n_latent) for s in train.specs] == [
        ("nb", 5),
        ("nb", 10),
        ("zinb", 5),
        ("zinb", 10),
    ]
    assert len(json.loads(out)["rows"]) == 4


def test_ctrl_c_leaves_a_sweep_that_goes_on_where_it_was(run: Any, train: FakeTrain, server: Any) -> None:
    def press_ctrl_c() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        deadline = time.monotonic() + 10
        while not server().groups.list()[0].paused:
            assert time.monotonic() < deadline

    train.at[2] = press_ctrl_c
    arguments = (*SMALL, "--engines", "stock", "--max-epochs", "200", "--json")
    code, out, err = run("sweep", *arguments)
    assert code == 130
    left = json.loads(out)
    assert [row["status"] for row in left["rows"]] == ["interrupted", "queued"]
    assert f"--resume {left['group_id']}" in err
    server().runs.start()  # a dashboard opened now leaves it alone, until Resume is pressed there
    assert server().groups.progress(left["group_id"]).state == "paused"
    code, out, err = run("sweep", "--resume", left["group_id"], "--json")
    assert code == 0, err
    done = json.loads(out)
    assert [row["run_id"] for row in done["rows"]] == [row["run_id"] for row in left["rows"]]
    assert [row["status"] for row in done["rows"]] == ["finished", "finished"]
    assert train.firsts[1] > 1  # from its checkpoint


def test_the_dashboard_sees_it_and_does_not_train_its_runs(run: Any, train: FakeTrain, server: Any) -> None:
    seen: list[Any] = []

    def look() -> None:
        group = server().groups.list()[0]
        seen.append(server().groups.progress(group.group_id))
        server().runs.start()  # takes what it may

    train.at[1] = look
    code, out, _ = run("sweep", *SMALL, "--engines", "stock", "--json")
    assert code == 0
    assert (seen[0].elsewhere, seen[0].running, seen[0].queued) == (True, 1, 1)
    assert len(train.specs) == 2
    assert {row["status"] for row in json.loads(out)["rows"]} == {"finished"}


def test_a_failed_point_is_told_and_the_others_are_trained(run: Any, train: FakeTrain) -> None:
    def fail() -> None:
        raise MemoryError

    train.at[1] = fail
    code, out, err = run("sweep", *SMALL, "--engines", "stock", "--json")
    assert code == 1
    assert [row["status"] for row in json.loads(out)["rows"]] == ["failed", "finished"]
    assert json.loads(out)["rows"][0]["validation_loss"] is None
    assert "There was not enough memory for minibatches of 128 cells." in err
