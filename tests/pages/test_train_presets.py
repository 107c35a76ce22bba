"""The presets of the Train page: each fills the form, shows what it set, and can be changed and left again."""

from __future__ import annotations

from typing import Any

import pytest

from backend.training import FORMER_PRESETS, PRESETS, former_preset, preset
from backend.types import RunSpec, RunStatus
from tests.pages.scene import Scene, dataset, texts
from tests.pages.test_train import choose, spec_of, submit, unfold

pytestmark = pytest.mark.usefixtures("run_as_title")

RECOMMENDED = preset("recommended", 700)


def chosen(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in RECOMMENDED}


def test_the_form_begins_with_the_recommended_course_and_says_what_it_is(scene: Scene) -> None:
    app = scene.open("train")
    assert app.session_state["train_preset"] == "recommended"
    assert "ten times sooner: 20 epochs" in texts(app)
    assert app.number_input(key="train_max_epochs").value == 20
    assert "Learning rate **0.02**" in texts(app)
    assert unfold(app).number_input(key="train_lr").value == 0.02
    assert app.selectbox(key="train_lr_schedule").value == "cosine"
    assert app.toggle(key="train_norm_recalibration").value is True


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_reaches_the_run(scene: Scene, name: str) -> None:
    app = choose(choose(scene.open("train"), "max_epochs", 77), "preset", name)
    assert app.number_input(key="train_max_epochs").value == preset(name, 700)["max_epochs"]
    submit(app)
    assert chosen(spec_of(scene)) == preset(name, 700)


def test_a_preset_can_be_changed_and_is_then_ones_own(scene: Scene) -> None:
    app = choose(scene.open("train"), "batch_size", 256)
    assert app.session_state["train_preset"] == "own"
    submit(app)
    assert chosen(spec_of(scene)) == RECOMMENDED | {"batch_size": 256}


@pytest.mark.parametrize("between", [None, ("lr_warmup", 0.3)], ids=["untouched", "changed"])
def test_leaving_the_recommended_course_puts_back_what_it_had_set(
    scene: Scene, between: tuple[str, float] | None
) -> None:
    app = scene.open("train")
    if between is not None:
        app = choose(unfold(app), *between)
    submit(choose(app, "preset", "scvi-tools"))
    assert chosen(spec_of(scene)) == chosen(RunSpec("", max_epochs=400))


def test_the_recommended_course_follows_the_number_of_cells(scene: Scene) -> None:
    scene.datasets.ready.append(dataset("large", source_id="waiting", name="Lung", n_obs=90_000))
    submit(choose(scene.open("train"), "dataset_id", "large"))
    assert chosen(spec_of(scene)) == preset("recommended", 90_000)


def test_a_run_opens_with_its_preset_again(scene: Scene) -> None:
    spec = RunSpec("demo-ready", accelerator="cpu", **preset("quick", 700))
    app = scene.open("train", like=scene.runs.add(RunStatus.FINISHED, spec=spec).run_id)
    assert app.session_state["train_preset"] == "quick"


@pytest.mark.parametrize("name", FORMER_PRESETS[:2])
def test_a_run_of_an_earlier_version_opens_with_the_preset_it_had(scene: Scene, name: str) -> None:
    spec = RunSpec("demo-ready", accelerator="cpu", **former_preset(name, 700))
    app = scene.open("train", like=scene.runs.add(RunStatus.FINISHED, spec=spec).run_id)
    (choice,) = [box for box in app.button_group if box.key == "train_preset"]
    assert f"{name.title()} (earlier version)" in choice.options
    submit(choose(app, "preset", "recommended"))
    assert chosen(scene.runs.list()[0].spec) == RECOMMENDED


def test_the_schedule_is_told_with_the_learning_rate(scene: Scene) -> None:
    app = choose(scene.open("train"), "preset", "scvi-tools")
    assert "falls to" not in texts(app)
    app = choose(choose(app, "lr_schedule", "linear"), "lr_end", 0.25)
    assert "falls to 25 % of it by the end" in texts(app)
    submit(app)
    assert (spec_of(scene).lr_schedule, spec_of(scene).lr_end) == ("linear", 0.25)
