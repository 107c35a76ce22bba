"""The Duel tab and the race: one click starts it, a verdict ends it, and no winner is announced unfairly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from streamlit.testing.v1 import AppTest

from backend import services
from backend.comparison import Comparer, compare_runs
from backend.errors import Conflict, NoSpace
from backend.groups import Groups
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.runs import RunService
from backend.settings import Settings
from backend.types import Pace, RunSpec, RunStatus
from backend.workers import LocalWorker, make_executor
from pages.compare.duel.race import race_data
from tests.comparison.made_runs import made
from tests.pages.scene import Scene, texts
from tests.runs.fakes import FakeTrain

LOSSES = [400.0, 360.0, 340.0, 330.0]


# --- what the browser is told ---


def told(*runs: Any, **how: Any) -> dict[str, Any]:
    records = [run for run, _ in runs]
    curves = {run.run_id: curves for run, curves in runs}
    return race_data(compare_runs(records, curves), records, curves, **how)


def duel(**fused: Any) -> dict[str, Any]:
    return told(
        made("a", LOSSES, seconds=4.0, first=6.0, record={"preparation_seconds": 0.5}),
        made("b", [v + 0.5 for v in LOSSES], seconds=1.0, engine="fused", **fused),
    )


def said(data: dict[str, Any]) -> str:
    return "".join(part["text"] for part in data["headline"])


def test_both_curves_are_on_one_clock() -> None:
    stock, fused = duel()["racers"]
    assert stock["points"][:2] == [[6.0, 400.0], [10.0, 360.0]]
    assert fused["points"][:2] == [[1.0, 400.5], [2.0, 360.5]]
    assert (stock["total"], fused["total"]) == (18.0, 4.0)
    assert stock["ends"][-1] == [18.0, 4.0]
    assert stock["colour"] != fused["colour"]


def test_a_fair_race_has_a_winner_by_the_time_to_the_same_loss() -> None:
    data = duel()
    assert said(data) == "fused is 4.5x as fast."
    assert data["headline"][0]["colour"] == data["racers"][1]["colour"]
    assert data["detail"] == "Time to the same validation ELBO (330.50): 4 s against 18 s."
    assert data["caveats"] == []
    assert data["terms"] == "Both runs: the same 700 cells, the same split and seed, 4 epochs."


def test_numbers_under_the_race_mark_the_better_one() -> None:
    rows = {row["label"]: row for row in duel()["rows"]}
    assert rows["Time per epoch"]["values"] == ["4 s", "1 s"]
    assert rows["Time per epoch"]["times"] == "4.0x as fast"
    assert rows["Cells per second"]["better"] == 1
    assert rows["25 epochs"]["values"] == ["1 min 42 s", "25 s"]
    assert rows["Setup"]["values"] == ["0.5 s", "–"]


def test_a_busy_computer_is_a_caveat_in_the_headline() -> None:
    data = duel(conditions={"other_load": 0.5})
    assert said(data).endswith("with caveats.")
    assert "50 %" in data["caveats"][0]


def test_an_unfair_race_has_no_winner() -> None:
    for unlike in ({"train_size": 0.8}, {"gene_likelihood": "nb"}, {"seed": 1, "batch_size": 256}):
        assert said(duel(**unlike)) == "No winner: the losses of these runs are not comparable."


def test_equally_fast_is_a_draw() -> None:
    data = told(made("a", LOSSES, seconds=1.0), made("b", LOSSES, seconds=1.01, engine="fused"))
    assert said(data).startswith("A draw")


def test_the_second_races_the_recording_of_the_first() -> None:
    data = told(
        made("a", LOSSES, seconds=4.0),
        made(
            "b",
            LOSSES[:2],
            engine="fused",
            max_epochs=4,
            status=RunStatus.RUNNING,
            record={"phase": "training"},
        ),
        clock=2.5,
    )
    assert data["live"]
    assert data["ticking"]
    assert data["active"] == 1
    assert data["clock"] == 2.5
    assert "against the recording of stock" in data["note"]
    assert data["headline"] == data["rows"] == []
    assert not data["replayable"]


def test_long_races_stay_light() -> None:
    losses = [1000 - 0.1 * epoch for epoch in range(2000)]
    racer = told(made("a", losses), made("b", losses, engine="fused", seconds=2.0))["racers"][0]
    assert len(racer["points"]) == 300
    assert racer["ends"][-1][1] == 2000


# --- the page ---


class Studio:
    """The real groups, runs and comparer, over a training that takes no time."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        settings = Settings(folder)
        self.scene, self.registry = scene, RunRegistry(settings.registry_path)
        self.registry.open()
        executor, training = make_executor("inline"), FakeTrain()
        self.runs = RunService(
            settings,
            self.registry,
            scene.datasets,
            executor,
            scene.devices,
            JobBoard(settings.workspace / "jobs", executor),
            worker=LocalWorker(executor, training),
            calibrate=lambda *of: Pace(1.0, 0.0),
        )
        self.groups = Groups(self.registry, self.runs, scene.datasets, scene.devices)
        made: Any = scene
        made.runs, made.groups, made.registry = self.runs, self.groups, self.registry
        made.comparer = Comparer(self.registry, None)  # type: ignore[arg-type]

    def open(self, **params: str) -> AppTest:
        app = self.scene.open("compare", **{"tab": "duel", **params})
        assert not app.exception, app.exception
        return app

    def duel(self) -> str:
        base = RunSpec("demo-ready", accelerator="cpu", max_epochs=3)
        return self.groups.duel(base, ({"engine": "stock"}, {"engine": "fused"})).group_id


@pytest.fixture
def studio(scene: Scene, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(scene, tmp_path / "workspace")
    yield studio
    studio.groups.close()
    studio.runs.close()
    studio.registry.close()


def test_one_click_queues_two_runs_that_differ_in_the_contestants_alone(studio: Studio) -> None:
    app = studio.open()
    app.segmented_control(key="duel_epochs").set_value(5).run()
    app.button(key="duel-start").click().run()
    assert not app.exception, app.exception
    (group,) = studio.groups.list()
    one, two = (run.spec for run in studio.groups.runs(group.group_id))
    assert app.query_params["group"] in (group.group_id, [group.group_id])
    assert (one.engine, two.engine) == ("stock", "fused") or one.accelerator != two.accelerator
    same = {"engine": "", "accelerator": ""}
    assert one.replace(**same) == two.replace(**same)
    assert one.max_epochs == 5
    assert " vs. " in group.name


def test_a_click_before_the_page_is_drawn_leaves_the_suggested_contestants(studio: Studio) -> None:
    app = studio.open()
    engines = [app.selectbox(key=f"duel_engine_{side}").proto for side in ("one", "two")]
    # the browser falls back on these where it was not told of a value before the click
    assert [engine.options[engine.default] for engine in engines] == [
        "scvi-tools (reference)",
        "Fused (fast)",
    ]


def test_the_learning_rate_grows_no_further_than_the_cells_to_train_on(studio: Studio) -> None:
    app = studio.open()
    app.select_slider(key="duel_size_one").set_value(4096).run()
    app.button(key="duel-start").click().run()
    one, two = studio.groups.runs(studio.groups.list()[0].group_id)
    cells = services.training_cells(one.spec.train_size, one.n_obs)
    assert cells < 4096
    assert one.spec.lr == services.learning_rate(cells)
    assert two.spec.lr == services.learning_rate(two.spec.batch_size)


def test_a_refusal_stays_until_the_next_press(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page runs again by itself while the speed is measured, or another tab's run ends."""
    app = studio.open()
    with monkeypatch.context() as full:
        full.setattr(studio.groups, "duel", Mock(side_effect=NoSpace("The disk is full.")))
        app.button(key="duel-start").click().run()
    assert [error.value for error in app.error] == ["The disk is full\\."]
    app.run()
    app.select_slider(key="duel_size_one").set_value(4096).run()
    assert [error.value for error in app.error] == ["The disk is full\\."]
    app.button(key="duel-start").click().run()
    assert not app.error
    assert "group" in app.query_params


def test_a_refusal_of_an_action_stays_too_and_not_elsewhere(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = studio.open(group=studio.duel())
    monkeypatch.setattr(studio.groups, "cancel", Mock(side_effect=Conflict("It has just ended.")))
    app.button(key="duel-cancel").click().run()
    app.run()
    assert [error.value for error in app.error] == ["It has just ended\\."]
    app.query_params.clear()
    app.query_params["tab"] = "duel"
    app.run()
    assert not app.error


def test_a_finished_duel_offers_stage_again_and_every_number(studio: Studio) -> None:
    studio.runs.start()
    app = studio.open(group=studio.duel())
    labels = {link.proto.label for link in app.get("page_link")}
    assert {
        "Presentation view",
        "All results, side by side",
        "Compare embeddings",
    } <= labels
    app.button(key="duel-again").click().run()
    assert not app.exception, app.exception
    first, again = studio.groups.list()
    specs = [[run.spec for run in studio.groups.runs(group.group_id)] for group in (first, again)]
    assert specs[0] == specs[1]


def test_a_waiting_duel_can_be_canceled(studio: Studio) -> None:
    group_id = studio.duel()
    studio.open(group=group_id).button(key="duel-cancel").click().run()
    assert {run.status for run in studio.groups.runs(group_id)} == {RunStatus.CANCELED}


def test_deleting_a_duel_asks_first(studio: Studio) -> None:
    studio.runs.start()
    app = studio.open(group=studio.duel())
    app.button(key="duel-delete").click().run()
    assert len(studio.groups.list()) == 1
    app.button(key="duel-delete-yes").click().run()
    assert studio.groups.list() == []
    assert not studio.runs.list()


def test_earlier_duels_are_listed(studio: Studio) -> None:
    studio.runs.start()
    studio.duel()
    app = studio.open()
    assert "Earlier duels" in texts(app)


def test_a_duel_that_is_gone_is_a_sentence_and_a_way_on(studio: Studio) -> None:
    assert "Duel not found" in texts(studio.open(group="nothing"))
    stage = studio.open(group="nothing", stage="1")
    assert "No duel yet" in texts(stage)


def test_the_stage_has_few_controls(studio: Studio) -> None:
    studio.runs.start()
    app = studio.open(group=studio.duel(), stage="1")
    assert [link.proto.label for link in app.get("page_link")] == ["Exit presentation"]
    assert not app.button
