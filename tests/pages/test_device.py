"""The Device page: every kind of device in words, and only speeds that were measured here."""

from __future__ import annotations

from pathlib import Path

from backend.settings import Settings
from backend.types import Estimate, RunSpec, RunStatus
from pages.components.device_speed import speed_rows
from tests.pages.scene import CUDA, Scene, texts

MEASURE_CPU = "device_measure_cpu"


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


def test_device_with_a_caveat_shows_it(scene: Scene) -> None:
    scene.devices.found[2] = CUDA.replace(available=True, reason="", remedy="", warning="It has 2 GB only.")
    (warning,) = scene.open("device").warning
    assert "It has 2 GB only" in warning.value


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


def test_nothing_is_claimed_for_a_device_that_has_not_run(scene: Scene) -> None:
    app = scene.open("device")
    assert not app.dataframe
    assert "no run has used it yet" in texts(app)
    assert not [metric for metric in app.metric if metric.label == "Cells per second"]


def test_measuring_gives_the_speed_of_the_built_in_data(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(0.9, 22.5, 1, 2, "calibration")
    app = scene.open("device").button(key=MEASURE_CPU).click().run()
    (speed,) = [metric for metric in app.metric if metric.label == "Cells per second"]
    assert speed.value == "700"  # 90 % of 700 cells in 0.9 s


def test_measuring_shows_that_it_is_at_work(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(None, None, 1, 2, "measuring")
    app = scene.open("device").button(key=MEASURE_CPU).click().run()
    assert [element.proto.text for element in app.get("progress")] == ["Measuring: a few seconds…"]


def test_device_that_ran_needs_no_measurement(scene: Scene) -> None:
    scene.runs.add(RunStatus.FINISHED, device="cpu", n_vars=1, cells_per_second=10.0)
    assert not scene.open("device").button


def test_memory_and_machine_are_told(scene: Scene) -> None:
    app = scene.open("device")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Memory in total": "8.0 GB",
        "Free now": "4.0 GB",
        "Used by scVI Studio": "1.0 GB",
    }
    assert "Two\\-thread test processor" in texts(app)


def test_chosen_number_of_threads_is_told(scene: Scene) -> None:
    assert "as many as PyTorch chooses" in texts(scene.open("device"))
    scene.settings = Settings(workspace=Path("/nowhere"), threads=3)
    assert ":gray[Threads for training]  \n3" in texts(scene.open("device"))
