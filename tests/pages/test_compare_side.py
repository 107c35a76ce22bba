"""Runs side by side: chosen through the address, judged by the chosen loss, flagged where it is not fair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.comparison import Comparer
from backend.registry import RunRegistry
from backend.types import RunRecord
from pages.compare.side.results import differences_frame, numbers_frame
from tests.comparison.made_runs import made, points_of
from tests.pages.scene import FakeRuns, Scene, texts

LOSSES = [400.0, 360.0, 340.0, 330.0]


class Analyses:
    """Nothing is measured yet; what is asked for is remembered."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def stamp(self, run_id: str) -> str:
        return "here"

    def result(self, run_id: str, kind: str, **options: Any) -> None:
        return None

    def find(self, run_id: str, kind: str, **options: Any) -> None:
        return None

    def active(self) -> None:
        return None

    def jobs(self, run_id: str | None = None) -> list[Any]:
        return []

    def request(self, run_id: str, kind: str, **options: Any) -> str:
        self.asked.append(run_id)
        return run_id


class History:
    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene: Any = scene
        self.runs, self.analyses = FakeRuns(), Analyses()
        self.registry = RunRegistry(folder / "registry.sqlite3")
        self.registry.open()
        self.scene.runs, self.scene.registry, self.scene.analyses = self.runs, self.registry, self.analyses
        self.scene.comparer = Comparer(self.registry, self.analyses)  # type: ignore[arg-type]

    def add(self, run_id: str, losses: list[float] = LOSSES, **how: Any) -> RunRecord:
        run, curves = made(run_id, losses, dataset_id="demo-ready", **how)
        self.registry.add(run)
        self.registry.append(run_id, *points_of(curves))
        self.runs.records[run_id] = run
        return run

    def open(self, runs: str = "") -> AppTest:
        app = self.scene.open("compare", tab="side", **({"runs": runs} if runs else {}))
        assert not app.exception, app.exception
        return app


@pytest.fixture
def past(scene: Scene, tmp_path: Path) -> Iterator[History]:
    history = History(scene, tmp_path)
    yield history
    history.registry.close()


def test_without_runs_it_says_what_to_do(past: History) -> None:
    assert "No runs to compare yet" in texts(past.open())


def test_a_link_opens_its_runs_with_a_verdict(past: History) -> None:
    past.add("a", seconds=4.0)
    past.add("b", [v + 0.5 for v in LOSSES], engine="fused")
    app = past.open("a,b")
    assert app.multiselect(key="side_runs").value == ["a", "b"]
    said = texts(app).replace("\\", "")
    assert "fused is 4.0 times as fast as stock" in said
    assert any("Fair comparison" in str(box.value) for box in app.success)


def test_choosing_runs_writes_the_address(past: History) -> None:
    past.add("a")
    past.add("b", engine="fused")
    app = past.open()
    assert "Select two or more runs" in texts(app)
    app.multiselect(key="side_runs").set_value(["b", "a"]).run()
    assert app.query_params["runs"] in ("b,a", ["b,a"])


def test_a_run_that_is_gone_is_told_and_the_others_are_shown(past: History) -> None:
    past.add("a")
    app = past.open("a,deleted")
    assert "One run of this link was not found" in texts(app)
    assert app.multiselect(key="side_runs").value == ["a"]


def test_imported_runs_are_marked(past: History) -> None:
    past.add("a", record={"imported_from": "a Mac"})
    assert "imported from a Mac" in past.open("a").multiselect(key="side_runs").format_func("a")


def test_what_is_unfair_stands_in_the_comparison(past: History) -> None:
    past.add("a")
    past.add("b", seed=1, engine="fused", conditions={"on_battery": True})
    app = past.open("a,b")
    assert any("Not a fair comparison" in str(box.value) for box in app.error)
    assert any("On battery" in str(box.value) for box in app.warning)


def test_a_target_of_ones_own_changes_the_times(past: History) -> None:
    past.add("a", seconds=4.0)
    past.add("b", engine="fused")
    app = past.open("a,b")
    app.number_input(key="side_target").set_value(345.0).run()
    assert "345.00 after 3 s, stock after 12 s" in texts(app).replace("\\", "")


def test_every_quantity_can_be_shown(past: History) -> None:
    past.add("a")
    past.add("b", engine="fused")
    app = past.open("a,b")
    for quantity in ("elbo_validation", "cells_per_second", "kl_local_validation"):
        app.selectbox(key="side_metric").set_value(quantity).run()
        assert not app.exception, app.exception


def test_the_biology_is_checked_when_asked_for(past: History) -> None:
    past.add("a")
    past.add("b", engine="fused")
    app = past.open("a,b")
    assert past.analyses.asked == []
    app.button(key="biology-start").click().run()
    assert past.analyses.asked == ["a", "b"]


def test_tables_say_what_differs_and_what_was_reached(past: History) -> None:
    past.add("a", seconds=4.0)
    past.add("b", engine="fused", batch_size=512, lr=0.004)
    found = past.scene.comparer.compare(["a", "b"], target=345.0)
    numbers = numbers_frame(found)
    assert list(numbers["At 345.00 after"]) == ["12 s, epoch 3", "3 s, epoch 3"]
    assert list(numbers["Speed-up"]) == [1.0, 4.0]
    settings = differences_frame(found).set_index("Setting").iloc[:, 1].to_dict()
    assert settings["Minibatch size (batch_size)"] == "512"
    assert settings["Learning rate (lr)"] == "0.004"
