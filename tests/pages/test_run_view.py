"""One run on the Train page: what it shows while it learns, and what its buttons do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from backend.types import Curves, Problem, Remedy, RunSpec, RunStatus, notice
from backend.words import loss_value
from pages.run import page as module
from pages.run.details import executed, tail
from pages.run.numbers import cards, computed_by
from pages.run.page import elapsed, fraction, what_it_does
from tests.pages.scene import Scene, texts
from tests.pages.watched_runs import WatchedRuns, lesson

REAL = module.run_view


@pytest.fixture
def runs(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WatchedRuns:
    monkeypatch.setattr(module, "run_view", REAL)  # the other pages' tests see only its title
    made = WatchedRuns(tmp_path)
    scene.runs = made
    return made


def watch(scene: Scene, run_id: str) -> AppTest:
    app = scene.open("train", run=run_id)
    assert not app.exception, app.exception
    return app


def seen(app: AppTest) -> str:
    """The page's texts as they read, without what keeps names from being Markdown."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", texts(app)).replace("\u2060", "")


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


# --- the page ---


def test_an_unknown_run_is_a_sentence(scene: Scene, runs: WatchedRuns) -> None:
    assert "Run not found" in seen(watch(scene, "no-such-run"))


def test_a_running_run_shows_its_state_and_can_be_stopped(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin("First look")
    runs.learn(run.run_id, 6)
    app = watch(scene, run.run_id)
    assert "First look" in seen(app)
    assert "on CPU (Two-thread test processor)" in seen(app)
    assert "still decreasing" in seen(app)
    app.button(key=f"stop-{run.run_id}").click().run()
    assert runs.asked == [("stop", run.run_id)]
    assert app.button(key=f"stop-{run.run_id}").disabled
    assert "Stopping…" in labels(app)


def test_cancel_asks_before_it_discards(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    app = watch(scene, run.run_id)
    app.button(key=f"cancel-{run.run_id}").click().run()
    assert runs.asked == []
    assert "is discarded" in seen(app)
    app.button(key="confirm-cancel").click().run()
    assert runs.asked == [("cancel", run.run_id)]


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.STOPPED])
def test_a_run_that_ended_midway_can_be_resumed(scene: Scene, runs: WatchedRuns, status: RunStatus) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 5)
    runs.end(run.run_id, status)
    app = watch(scene, run.run_id)
    app.button(key=f"resume-{run.run_id}").click().run()
    assert runs.asked == [("resume", run.run_id)]


def test_a_refused_button_says_why(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 5)
    runs.end(run.run_id, RunStatus.INTERRUPTED)
    app = watch(scene, run.run_id)
    runs.begin("in the way")
    app.button(key=f"resume-{run.run_id}").click().run()
    assert "Another run is in the way" in seen(app)


def test_a_finished_run_can_be_trained_further(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 25)
    runs.end(run.run_id)
    app = watch(scene, run.run_id)
    app.number_input(key=f"more-{run.run_id}").set_value(7).run()
    app.button(key=f"extend-{run.run_id}").click().run()
    assert runs.asked == [("extend", run.run_id, "7")]
    assert runs.get(run.run_id).spec.max_epochs == 32


def test_a_problem_offers_its_remedy_as_a_new_run(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin("too fast", lr=0.1, n_latent=20)
    remedy = Remedy("Try a rate of 0.001", "resubmit", {"lr": 0.001})
    runs.end(
        run.run_id,
        RunStatus.FAILED,
        problem=Problem("diverged", "error", "The loss is no number.", (remedy,)),
    )
    app = watch(scene, run.run_id)
    assert "no number" in seen(app)
    app.button(key=f"remedy-{run.run_id}-0").click().run()
    new = runs.queue()[0]
    assert new.spec == run.spec.replace(lr=0.001)
    assert app.query_params["run"] in (new.run_id, [new.run_id])
    assert runs.get(run.run_id).spec.lr == 0.1


def test_a_finish_is_announced_once_to_who_saw_it_going(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin("First look")
    runs.learn(run.run_id, 25)
    app = watch(scene, run.run_id)
    assert not app.toast
    runs.end(run.run_id)
    app.run()
    assert [toast for toast in app.toast if "finished: 25 epochs" in toast.value]
    app.run()
    assert not [toast for toast in app.toast if "finished" in toast.value]


def test_opening_a_run_that_ended_long_ago_announces_nothing(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.end(run.run_id)
    assert not watch(scene, run.run_id).toast


def test_each_look_asks_only_for_what_is_new(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 3)
    app = watch(scene, run.run_id)
    assert runs.reads[-1] == 3 * len(lesson(1))
    runs.learn(run.run_id, 1)
    app.run()
    assert runs.reads[-1] == len(lesson(1))


def test_a_resumed_run_is_read_anew(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 5)
    runs.end(run.run_id, RunStatus.INTERRUPTED)
    app = watch(scene, run.run_id)
    runs.resume(run.run_id)
    app.run()
    assert runs.reads[-1] == 5 * len(lesson(1))


def test_a_tab_on_an_ended_run_follows_when_another_tab_resumes_it(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 5)
    runs.end(run.run_id, RunStatus.INTERRUPTED)
    app = watch(scene, run.run_id)
    assert f"stop-{run.run_id}" not in [button.key for button in app.button]
    runs.resume(run.run_id)
    app.run()
    assert f"stop-{run.run_id}" in [button.key for button in app.button]


def test_a_second_browser_sees_the_whole_curve(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 4)
    watch(scene, run.run_id)
    watch(scene, run.run_id)
    assert runs.reads[-1] == 4 * len(lesson(1))


def test_names_and_notices_are_text(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin("**bold** :red[x] <b>y</b>")
    runs.change(
        run.run_id, notices=(notice("missing_filled", n=1, column="`a` [link](http://x)", level="unknown"),)
    )
    app = watch(scene, run.run_id)
    assert "**bold**" not in app.header[0].value
    assert ":red[" not in app.header[0].value
    assert "[link](" not in texts(app)


def test_a_waiting_run_shows_the_queue_and_can_move(scene: Scene, runs: WatchedRuns) -> None:
    runs.begin("in front")
    first = runs.submit(RunSpec("demo-ready"))
    second = runs.submit(RunSpec("demo-ready"))
    app = watch(scene, second.run_id)
    assert "is training now" in seen(app)
    app.button(key=f"queue-top-{second.run_id}").click().run()
    assert [run.run_id for run in runs.queue()] == [second.run_id, first.run_id]
    app.button(key=f"queue-out-{first.run_id}").click().run()
    assert [run.run_id for run in runs.queue()] == [second.run_id]


def test_the_executed_settings_are_shown_not_the_form(runs: WatchedRuns) -> None:
    run = runs.begin(batch_size=512, lr=0.004, batch_key="donor", seed=3)
    runs.change(run.run_id, device="mps:0")
    groups = executed(runs.get(run.run_id))
    assert groups["Training"]["Minibatch size (batch_size)"] == "512"
    assert groups["Training"]["Learning rate (lr)"] == "0.004"
    assert groups["Data"]["Batch (batch_key)"] == "donor"
    assert groups["Machine"]["Device used"] == "mps:0"
    assert groups["Machine"]["scvi-tools"] == "1.4.2"


def test_the_log_is_shown_from_a_whole_line_on(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    assert tail(path) == ""
    path.write_text("".join(f"line {i}\n" for i in range(1000)))
    end = tail(path, 100)
    assert end.startswith("line ")
    assert end.endswith("line 999\n")
    assert len(end) <= 100


# --- the numbers ---


def learned(epochs: int, **how: float) -> Curves:
    curves = Curves()
    for epoch in range(1, epochs + 1):
        curves.add(lesson(epoch, **how))  # type: ignore[arg-type]
    return curves


def test_the_strip_says_epoch_time_speed_loss_and_memory(runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.learn(run.run_id, 10)
    run = runs.get(run.run_id)
    shown = {card["label"]: card for card in cards(run, learned(10), 6.5)}
    assert shown["Epoch"]["value"] == "10 of 25"
    assert shown["Elapsed"]["value"] == "6.5 s"
    assert shown["Remaining"]["value"].startswith("about 7")  # 15 epochs of half a second
    assert shown["Best ELBO"]["value"] == loss_value(run.best_validation)
    assert shown["Best ELBO"]["note"] == "validation, epoch 10"
    assert "MiB" in shown["Memory"]["value"]
    assert len(shown["Cells per second"]["series"]) == 10


def test_progress_counts_the_steps_of_the_epoch_in_progress(runs: WatchedRuns) -> None:
    run = runs.begin(max_epochs=10, batch_size=105, train_size=0.9)  # 6 steps an epoch of 630 cells
    runs.learn(run.run_id, 2)
    run = runs.get(run.run_id)
    curves = learned(2)
    assert fraction(run, curves) == pytest.approx(0.2)
    curves.add(lesson(3)[:3])
    assert fraction(run, curves) == pytest.approx(0.25)
    assert elapsed(run, curves) > run.elapsed


def test_the_engine_is_shown_as_executed(runs: WatchedRuns) -> None:
    run = runs.begin(engine="fused")
    assert computed_by(run) == "fused engine"
    ran = run.replace(environment={"engine": "stock", "torch": "2.13.0"})
    assert computed_by(ran) == "stock engine"
    machine = executed(ran)["Machine"]
    assert (machine["Engine"], machine["Engine requested"]) == ("stock", "fused")
    assert "engine" not in machine
    assert "Engine requested" not in executed(ran.replace(spec=RunSpec("d", engine="stock")))["Machine"]


def test_what_computed_and_the_time_to_prepare_it_are_shown_apart(runs: WatchedRuns) -> None:
    run = runs.begin().replace(implementation="CPU kernels (numba)", preparation_seconds=14.2)
    shown = {card["label"]: card for card in cards(run, learned(1), 1.0)}
    assert computed_by(run) == "fused engine, CPU kernels (numba)"
    assert shown["Elapsed"]["note"] == "after 14 s of setup"
    machine = executed(run)["Machine"]
    assert machine["Implementation"] == "CPU kernels (numba)"
    assert machine["Setup"].startswith("14 s, mostly once per computer")
    older = run.replace(implementation="", preparation_seconds=None)
    assert not {"Implementation", "Setup"} & executed(older)["Machine"].keys()


def test_a_warning_looks_like_one(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    runs.change(
        run.run_id,
        notices=(
            notice("text", severity="warning", text="The GPU failed its self-check."),
            notice("text", text="A column was filled."),
        ),
    )
    app = scene.open("train", run=run.run_id)
    assert [box.value for box in app.warning] == ["The GPU failed its self\\-check\\."]
    assert not app.info  # a note pushes no curve out of the first screen
    [notes] = [folded for folded in app.expander if folded.label == "Notes (1)"]
    assert notes.markdown[0].value == "- A column was filled\\."


def test_the_settings_of_a_run_fill_the_form_again(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin("First look", n_latent=17, max_epochs=7)
    runs.learn(run.run_id, 7)
    runs.end(run.run_id)
    app = watch(scene, run.run_id)
    app.button(key=f"again-{run.run_id}").click().run()
    assert app.title[0].value == "Train a model"
    assert app.session_state["train_n_latent"] == 17
    assert app.number_input(key="train_max_epochs").value == 7


def test_from_a_run_back_to_the_form(scene: Scene, runs: WatchedRuns) -> None:
    app = watch(scene, runs.begin().run_id)
    next(button for button in app.button if button.label == "New run").click().run()
    assert [title.value for title in app.title] == ["Train a model"]


def test_a_run_that_waits_for_the_server_says_for_what(scene: Scene, runs: WatchedRuns) -> None:
    run = scene.runs.add(RunStatus.QUEUED)
    scene.runs.busy_with = "loading the libraries for training"
    app = watch(scene, run.run_id)
    said = [element.proto.text for element in app.get("progress")]
    assert said == ["Starting soon: loading the libraries for training"]
    later = scene.runs.add(RunStatus.QUEUED)
    said = [element.proto.text for element in watch(scene, later.run_id).get("progress")]
    assert said == ["Queued"]


def test_a_run_that_cannot_go_on_says_why(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.begin()
    scene.runs.trouble_now = "The disk is full."
    said = [element.proto.text.replace("\\", "") for element in watch(scene, run.run_id).get("progress")]
    assert said == ["On hold: The disk is full."]


def test_a_run_that_failed_in_its_first_epoch_has_no_charts_that_wait(
    scene: Scene, runs: WatchedRuns
) -> None:
    run = runs.begin()
    runs.points[run.run_id] = lesson(1)[:2]
    runs.end(run.run_id, RunStatus.FAILED)
    app = watch(scene, run.run_id)
    assert "before its first epoch" in seen(app)
    assert "Seconds per epoch" not in seen(app)


def test_one_epoch_is_not_called_epochs(runs: WatchedRuns) -> None:
    run = runs.begin(max_epochs=2)
    runs.learn(run.run_id, 1)
    runs.end(run.run_id, RunStatus.STOPPED)
    shown = {card["label"]: card for card in cards(runs.get(run.run_id), learned(1), 1.0)}
    assert shown["Remaining"]["value"] == "1 epoch left"


def test_stopping_and_saving_are_said(runs: WatchedRuns) -> None:
    run = runs.begin()
    assert what_it_does(run) == "Training: epoch 1 of 25"
    assert "after the current minibatch" in what_it_does(run.replace(requested="stop"))
    assert what_it_does(run.replace(phase="saving")) == "Saving"
