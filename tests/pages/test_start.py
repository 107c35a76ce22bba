"""The first minute: a stranger reads what this is, presses one button and watches a model train."""

from __future__ import annotations

import pytest

from backend.errors import BadInput
from backend.types import Estimate, RunStatus
from tests.pages.scene import Scene, texts

pytestmark = pytest.mark.usefixtures("run_as_title")


def press(app, label: str):
    return next(button for button in app.button if button.label == label).click().run()


def test_says_what_it_does_and_how(scene: Scene) -> None:
    said = texts(scene.open())
    for part in ("1. Load raw counts", "2. Train and follow", "3. Download", "without writing code"):
        assert part in said


def test_one_click_trains_the_built_in_data(scene: Scene) -> None:
    press(scene.open(), "Train on the example data")
    (run,) = scene.runs.list()
    assert run.spec.dataset_id == "demo-ready"
    assert run.spec.max_epochs == 20  # the recommended course, to its end
    assert (run.spec.accelerator, run.spec.batch_key) == ("cpu", "sample")


def test_one_click_works_while_the_built_in_data_is_still_being_prepared(scene: Scene) -> None:
    scene.datasets.ready.clear()
    press(scene.open(), "Train on the example data")
    (run,) = scene.runs.list()
    assert scene.datasets.dataset(run.spec.dataset_id).source_id == "demo"


def test_the_run_of_a_fresh_server_is_that_of_any_later_time(scene: Scene) -> None:
    del scene.datasets.reports["demo"]  # not looked at yet
    scene.open().button[0].click().run()
    (run,) = scene.runs.list()
    assert run.spec.batch_key == "sample"


def test_double_click_starts_one_run(scene: Scene) -> None:
    app = scene.open()
    press(app, "Train on the example data")
    app.switch_page("start/page.py").run()
    press(app, "Train on the example data")
    assert len(scene.runs.list()) == 1


def test_refusal_is_a_sentence_on_the_page(scene: Scene) -> None:
    scene.runs.refusal = BadInput("The disk is full.")
    app = press(scene.open(), "Train on the example data")
    assert [error.value for error in app.error] == ["The disk is full\\."]
    assert not app.exception


def test_expected_time_is_the_measured_one(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(2.0, 12.0, 1, 2, "calibration")
    assert "about 12 s on this computer" in texts(scene.open())


def test_no_time_is_promised_before_it_is_known(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(None, None, 1, 2, "measuring")
    assert "on this computer" not in texts(scene.open()).split("Upload a file")[0].split("A run of")[1]


def test_recent_runs_are_listed_newest_first(scene: Scene) -> None:
    for number in range(7):
        scene.runs.add(RunStatus.FINISHED, name=f"Number {number}", epoch=5)
    links = [link.proto.label for link in scene.open().get("page_link")]
    assert [label for label in links if label.startswith("Number")] == [
        f"Number {n}" for n in (6, 5, 4, 3, 2)
    ]


def test_empty_history_says_what_will_be_there(scene: Scene) -> None:
    assert "Every run is listed here" in texts(scene.open())


def test_a_computer_without_a_gpu_is_told_so(scene: Scene) -> None:
    said = texts(scene.open())
    assert "Training runs on the **CPU**" in said
    assert "training runs on the CPU" in said
