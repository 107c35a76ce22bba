"""The Runs page: find, compare, name, continue and delete runs, whoever started them."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from backend.types import RunSpec, RunStatus
from pages.runs.table import ALL, Wanted, frame, matching
from tests.pages.scene import Scene, texts
from tests.pages.watched_runs import WatchedRuns

CHOSEN = "run_table_chosen"


class Registry:
    def __init__(self, runs: WatchedRuns) -> None:
        self.runs = runs

    def series(self, run_ids: list[str], name: str, points: int = 40) -> dict[str, list[float]]:
        known = {i: [p.value for p in self.runs.points.get(i, []) if p.name == name] for i in run_ids}
        return {run_id: values for run_id, values in known.items() if values}


@pytest.fixture
def runs(scene: Scene, tmp_path: Path) -> WatchedRuns:
    made = WatchedRuns(tmp_path)
    scene.runs = made
    scene.registry = Registry(made)  # type: ignore[attr-defined]
    return made


def past(runs: WatchedRuns, name: str, status: RunStatus = RunStatus.FINISHED, **spec: object) -> str:
    run = runs.begin(name, **spec)
    runs.learn(run.run_id, 5)
    runs.end(run.run_id, status)
    return run.run_id


def show(scene: Scene, *ticked: str) -> AppTest:
    app = scene.open("runs")
    assert not app.exception, app.exception
    if ticked:  # a table's ticks are drawn on a canvas: only a browser can click them
        app.session_state[CHOSEN] = list(ticked)
        app.session_state["run_table_order"] = None
        app.run()
        assert not app.exception, app.exception
    return app


def test_no_runs_yet_says_what_to_do(scene: Scene, runs: WatchedRuns) -> None:
    app = show(scene)
    assert "No runs yet" in texts(app)
    assert "python -m backend train" in texts(app)


def test_every_run_is_in_the_table_newest_first(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "older")
    past(runs, "newer", RunStatus.STOPPED)
    table = show(scene).dataframe[0].value
    assert list(table["name"]) == ["newer", "older"]
    assert [list(status) for status in table["status"]] == [["stopped"], ["finished"]]
    assert len(table["curve"][0]) == 5


def test_a_run_of_the_command_line_appears_by_itself(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "mine")
    app = show(scene)
    other = past(runs, "from the command line")
    runs.change(other, origin="command line")
    app.run()
    assert "from the command line" in list(app.dataframe[0].value["name"])


def test_search_filters_the_table(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "lung atlas")
    past(runs, "blood")
    app = show(scene)
    app.text_input(key="runs-find").set_value("LUNG").run()
    assert list(app.dataframe[0].value["name"]) == ["lung atlas"]
    app.text_input(key="runs-find").set_value("nothing like it").run()
    assert "No run matches" in texts(app)


def test_filter_by_words_status_and_data_set(runs: WatchedRuns) -> None:
    finished = past(runs, "lung")
    stopped = past(runs, "blood", RunStatus.STOPPED)
    runs.change(stopped, note="the good one", spec=RunSpec("x", "PBMC"))
    everything = runs.list()

    def found(**wanted: object) -> list[str]:
        return [run.run_id for run in matching(everything, Wanted(**wanted))]  # type: ignore[arg-type]

    assert found() == [stopped, finished]
    assert found(text="good blood") == [stopped]
    assert found(statuses=("finished",)) == [finished]
    assert found(dataset="PBMC") == [stopped]
    assert found(dataset=ALL, text="lung", statuses=("stopped",)) == []


def test_ticked_run_is_renamed_and_annotated(scene: Scene, runs: WatchedRuns) -> None:
    run_id = past(runs, "before")
    app = show(scene, run_id)
    app.button(key="runs-rename").click().run()
    app.text_input(key="rename-name").set_value("after")
    app.text_area(key="rename-note").set_value("for the paper")
    next(button for button in app.button if button.label == "Save").click().run()
    assert (runs.get(run_id).name, runs.get(run_id).note) == ("after", "for the paper")


def test_a_run_keeps_its_name_where_the_new_one_is_empty(scene: Scene, runs: WatchedRuns) -> None:
    run_id = past(runs, "before")
    app = show(scene, run_id)
    app.button(key="runs-rename").click().run()
    app.text_input(key="rename-name").set_value("  ")
    next(button for button in app.button if button.label == "Save").click().run()
    assert runs.get(run_id).name == "before"
    assert "A run needs a name" in texts(app)


def test_delete_asks_and_names_what_goes(scene: Scene, runs: WatchedRuns) -> None:
    keep, one, two = past(runs, "keep"), past(runs, "one"), past(runs, "two")
    app = show(scene, one, two)
    app.button(key="runs-delete").click().run()
    assert runs.asked == []
    assert "**one**" in texts(app)
    assert "**two**" in texts(app)
    app.button(key="runs-delete-yes").click().run()
    assert [run.run_id for run in runs.list()] == [keep]


def test_ticked_runs_are_compared_by_one_link(scene: Scene, runs: WatchedRuns) -> None:
    ids = [past(runs, name, seed=seed) for seed, name in enumerate(["a", "b", "c"])]
    app = show(scene, *ids)
    (link,) = [link.proto for link in app.get("page_link") if link.proto.label == "Compare these"]
    assert link.page == "compare"
    assert parse_qs(link.query_string) == {"tab": ["side"], "runs": [",".join(reversed(ids))]}


def test_a_tick_stays_with_its_run_when_rows_move(scene: Scene, runs: WatchedRuns) -> None:
    ticked = past(runs, "ticked")
    app = show(scene, ticked)
    generation = app.session_state["run_table_generation"]
    past(runs, "newer")
    app.run()
    assert app.session_state["run_table_generation"] == generation + 1
    assert app.session_state[CHOSEN] == [ticked]


def test_an_interrupted_run_can_be_resumed_from_the_table(scene: Scene, runs: WatchedRuns) -> None:
    run_id = past(runs, "power cut", RunStatus.INTERRUPTED)
    show(scene, run_id).button(key="runs-resume").click().run()
    assert runs.asked == [("resume", run_id)]


def test_the_queue_can_be_reordered(scene: Scene, runs: WatchedRuns) -> None:
    first, second = (runs.submit(RunSpec("demo-ready")).run_id for _ in range(2))
    app = show(scene)
    app.button(key=f"queue-up-{second}").click().run()
    assert [run.run_id for run in runs.queue()] == [second, first]


def test_table_shows_no_numbers_where_there_are_none(runs: WatchedRuns) -> None:
    runs.submit(RunSpec("demo-ready"))
    row = frame(runs.list(), {}).iloc[0]
    assert row["curve"] == []
    assert row[["best", "elapsed", "speed"]].isna().all()


def test_a_run_of_less_than_a_second_was_trained_all_the_same(runs: WatchedRuns) -> None:
    runs.change(past(runs, "short"), elapsed=0.3)
    assert frame(runs.list(), {}).iloc[0]["elapsed"].total_seconds() == 1


def test_an_idle_table_reads_nothing_and_a_changed_run_only_itself(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "one")
    second = past(runs, "two")
    app = show(scene)
    read: list[list[str]] = []
    series = scene.registry.series  # type: ignore[attr-defined]
    scene.registry.series = lambda ids, *how: [read.append(list(ids)), series(ids, *how)][1]  # type: ignore[attr-defined]
    listed = runs.list
    app.run()
    app.run()
    assert read == []
    runs.change(second, note="again")
    assert list(app.run().dataframe[0].value["note"]) == ["again", ""]
    assert read == [[second]]
    assert len(listed()) == 2


@pytest.mark.parametrize("number", [1e30, -1e30, math.inf])
def test_a_run_of_any_time_leaves_the_table_standing(scene: Scene, runs: WatchedRuns, number: float) -> None:
    runs.change(past(runs, "from elsewhere"), created_at=number, elapsed=abs(number))
    table = show(scene).dataframe[0].value
    assert list(table["name"]) == ["from elsewhere"]
    assert table[["created", "elapsed"]].isna().all(axis=None)
