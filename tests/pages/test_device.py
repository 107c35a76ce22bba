"""The Device page: every kind of device in words, and only speeds that were measured here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from backend.settings import Settings
from backend.types import DeviceCheck, Finding, JobState, Place, Problem, RunSpec, RunStatus, Speed
from pages.device.computer import speed_rows
from pages.device.workers import worker_rows
from tests.pages.scene import Scene, check_job, texts

CHECK_CPU = "device_check_cpu"


def test_every_kind_of_device_is_there_with_its_reason_and_remedy(scene: Scene) -> None:
    said = texts(scene.open("device")).replace("\\", "")
    for part in (
        "CPU",
        "Apple GPU (MPS)",
        "This is not an Apple computer.",
        "No NVIDIA driver was found.",
        "Install the NVIDIA driver and start scVI Studio again.",
    ):
        assert part in said


def test_speed_is_the_middle_of_runs_of_one_kind(scene: Scene) -> None:
    for speed in (100.0, 300.0, 200.0):
        scene.runs.add(RunStatus.FINISHED, device="cpu", device_name="P", n_vars=765, cells_per_second=speed)
    scene.runs.add(RunStatus.FINISHED, device="cuda:0", device_name="G", n_vars=765, cells_per_second=5000.0)
    scene.runs.add(RunStatus.FAILED, device="cpu")
    rows = speed_rows(scene.runs.list())
    assert [(row["Device"], row["Cells per second"], row["Runs"]) for row in rows] == [
        ("CUDA:0, G", 5000, 1),
        ("CPU, P", 200, 3),
    ]


def test_minibatch_sizes_are_kept_apart(scene: Scene) -> None:
    for size in (128, 1024):
        spec = RunSpec("demo-ready", batch_size=size)
        scene.runs.add(RunStatus.FINISHED, spec=spec, device="cpu", n_vars=1, cells_per_second=1.0)
    assert len(speed_rows(scene.runs.list())) == 2


def test_engines_are_kept_apart_as_executed(scene: Scene) -> None:
    fused = RunSpec("demo-ready", engine="fused")
    for engine in ("fused", "stock"):  # the second had to give way to stock
        scene.runs.add(
            RunStatus.FINISHED,
            spec=fused,
            device="cpu",
            n_vars=1,
            cells_per_second=1.0,
            environment={"engine": engine},
        )
    assert {row["Engine"] for row in speed_rows(scene.runs.list())} == {"fused", "stock"}


def test_nothing_is_claimed_where_nothing_ran_or_was_checked(scene: Scene) -> None:
    app = scene.open("device")
    assert not app.dataframe
    said = texts(app)
    assert "not checked yet" in badges(app)
    assert "No runs yet" in said
    assert "cells per second" not in said


def badges(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in app.markdown)


def checked(**changes: Any) -> DeviceCheck:
    findings = tuple(
        Finding(engine, likelihood, True, 1e-7, 2e-7)
        for engine in ("fused", "stock")
        for likelihood in ("zinb", "nb", "poisson")
    )
    speeds = (Speed("stock", 128, 500.0), Speed("fused", 128, 1500.0), Speed("fused", 1024, 2500.0))
    found = DeviceCheck(
        "cpu", "Two-thread test processor", time.time(), 14.0, findings, speeds, 10_000, 0.08, 1024
    )
    return found.replace(**changes)


def test_a_check_is_begun_watched_and_canceled(scene: Scene) -> None:
    app = scene.open("device")
    assert not [button for button in app.button if button.key == "device_check_mps"]  # it is not there
    app.button(key=CHECK_CPU).click().run()
    assert scene.checks.asked == ["cpu"]
    (bar,) = app.get("progress")
    assert bar.proto.value == 25
    assert "comparing zinb of the fused engine" in bar.proto.text
    assert not [button for button in app.button if button.key == CHECK_CPU]
    app.button(key="check_cancel_cpu").click().run()
    assert not app.get("progress")
    assert app.button(key=CHECK_CPU).label == "Check now"


def test_a_device_that_passed_says_what_to_use(scene: Scene) -> None:
    scene.checks.known["cpu"] = checked()
    app = scene.open("device")
    said = texts(app)
    assert "passed" in badges(app)
    assert "All 6 comparisons passed" in said
    assert "minibatch size of **1,024**: 2,500 cells per second, 5.0x the reference" in said
    assert "checked just now" in said
    assert app.button(key=CHECK_CPU).label == "Check again"
    assert len(app.dataframe[0].value) == 6


def test_a_device_that_failed_says_what_is_wrong_and_recommends_nothing(scene: Scene) -> None:
    wrong = (Finding("fused", "zinb", False, 1e-7, 0.5), Finding("stock", "nb", False, problem="Error: lost"))
    scene.checks.known["cpu"] = checked(findings=wrong, speeds=(), batch_size=None)
    app = scene.open("device")
    assert "failed" in badges(app)
    (error,) = app.error
    assert "2 of 2 comparisons failed" in error.value
    assert "zinb by the fused engine, nb by the stock engine" in error.value
    assert "Recommended" not in texts(app)
    assert list(app.dataframe[0].value["Result"]) == ["failed", "Error: lost"]
    assert list(app.dataframe[0].value["Gradient deviation"]) == ["50.00000 %", "–"]


def test_a_check_that_could_not_be_completed_says_why(scene: Scene) -> None:
    gone = Problem("error", "error", "The *GPU* went away.")
    scene.checks.states["cpu"] = check_job("cpu", 1.0, "").replace(state=JobState.FAILED, problem=gone)
    app = scene.open("device")
    (error,) = app.error
    assert "could not be completed: The \\*GPU\\* went away" in error.value
    assert app.button(key=CHECK_CPU).label == "Check now"


def test_memory_and_machine_are_told(scene: Scene) -> None:
    app = scene.open("device")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Total memory": "8 GiB",
        "Available": "4 GiB",
        "Used by scVI Studio": "1 GiB",
    }
    assert "Two\\-thread test processor" in texts(app)


def test_chosen_number_of_threads_is_told(scene: Scene) -> None:
    assert "chosen by PyTorch" in texts(scene.open("device"))
    scene.settings = Settings(workspace=Path("/nowhere"), threads=3)
    assert ":gray[Threads for training]  \n3" in texts(scene.open("device"))


def test_each_worker_is_listed_with_what_it_trains_and_how_fast_it_was(scene: Scene) -> None:
    for speed in (100.0, 300.0):
        scene.runs.add(RunStatus.FINISHED, worker="worker 1", cells_per_second=speed)
    now = scene.runs.add(RunStatus.RUNNING, name="Second look", worker="worker 2", epoch=3)
    scene.runs.places = (
        Place("worker 1", ("cpu", "mps"), threads=2, process=7),
        Place("worker 2", ("cpu", "cuda"), 0, (now.run_id,), "CUDA card 0", 2, 8),
    )
    first, second = worker_rows(scene.runs.workers(), scene.runs.list())
    assert (first["Devices"], first["Trains now"], first["Cells per second"]) == ("CPU", "–", 200)
    assert (second["Devices"], second["Runs"]) == ("CUDA card 0", 1)
    assert second["Trains now"] == f"Second look, epoch 3 of {now.spec.max_epochs}"
    page = scene.open("device")
    assert "one after the other" in texts(page)
    assert any("Worker" in table.value.columns for table in page.dataframe)


def test_a_server_that_trains_by_itself_says_how_to_have_workers(scene: Scene) -> None:
    assert "--workers N" in texts(scene.open("device"))


def test_a_run_need_not_wait_where_a_worker_is_free(scene: Scene) -> None:
    scene.runs.add(RunStatus.RUNNING, worker="worker 1")
    scene.runs.places = (Place("worker 1", ("cpu",), 0), Place("worker 2", ("cpu",)))
    assert "starts after it" not in texts(scene.open("train"))
    scene.runs.places = (Place("worker 1", ("cpu",), 0),)
    assert "starts after it" in texts(scene.open("train"))
