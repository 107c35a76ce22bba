"""The presets of the Train page: Fast fills the form, shows what it set, and can be changed and left again."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.training import preset
from backend.types import RunSpec, RunStatus
from tests.pages.scene import Scene, dataset, texts
from tests.pages.test_train import choose, spec_of, submit, unfold

pytestmark = pytest.mark.usefixtures("run_as_title")

FAST = preset("fast", 700)


def fast(scene: Scene) -> AppTest:
    return choose(scene.open("train"), "preset", "fast")


def chosen(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in FAST}


def test_fast_reaches_the_run(scene: Scene) -> None:
    submit(fast(scene))
    assert chosen(spec_of(scene)) == FAST


def test_fast_says_and_shows_what_it_sets(scene: Scene) -> None:
    app = fast(scene)
    assert "10 epochs of minibatches of 128 cells" in texts(app)
    assert app.number_input(key="train_max_epochs").value == 10
    assert "Learning rate **0.02**" in texts(app)
    assert unfold(app).number_input(key="train_lr").value == 0.02
    assert app.selectbox(key="train_lr_schedule").value == "cosine"


def test_fast_can_be_changed_and_is_then_ones_own(scene: Scene) -> None:
    app = choose(fast(scene), "batch_size", 256)
    assert app.session_state["train_preset"] == "own"
    submit(app)
    assert chosen(spec_of(scene)) == FAST | {"batch_size": 256}


@pytest.mark.parametrize("between", [None, ("lr_warmup", 0.3)], ids=["untouched", "changed"])
def test_leaving_fast_puts_back_what_it_had_set(scene: Scene, between: tuple[str, float] | None) -> None:
    app = fast(scene)
    if between is not None:
        app = choose(app, *between)
    submit(choose(app, "preset", "useful"))
    assert chosen(spec_of(scene)) == chosen(RunSpec("", max_epochs=25))


def test_other_presets_leave_the_minibatch_size_alone(scene: Scene) -> None:
    submit(choose(choose(scene.open("train"), "batch_size", 512), "preset", "quick"))
    assert (spec_of(scene).batch_size, spec_of(scene).max_epochs) == (512, 5)


def test_fast_follows_the_number_of_cells(scene: Scene) -> None:
    scene.datasets.ready.append(dataset("large", source_id="waiting", name="Lung", n_obs=90_000))
    submit(choose(fast(scene), "dataset_id", "large"))
    assert chosen(spec_of(scene)) == preset("fast", 90_000)


def test_a_run_trained_fast_opens_as_fast_again(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.FINISHED, spec=RunSpec("demo-ready", accelerator="cpu", **FAST))
    app = scene.open("train", like=run.run_id)
    assert app.session_state["train_preset"] == "fast"
    submit(choose(app, "preset", "quick"))
    assert chosen(scene.runs.list()[0].spec) == chosen(RunSpec("", max_epochs=5))


def test_the_schedule_is_told_with_the_learning_rate(scene: Scene) -> None:
    app = scene.open("train")
    assert "falls to" not in texts(app)
    app = choose(choose(app, "lr_schedule", "linear"), "lr_end", 0.25)
    assert "falls to 25 % of it by the end" in texts(app)
    submit(app)
    assert (spec_of(scene).lr_schedule, spec_of(scene).lr_end) == ("linear", 0.25)
