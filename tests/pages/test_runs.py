"""The Runs page: find, compare, name, continue and delete runs, whoever started them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from backend.types import RunSpec, RunStatus
from backend.words import loss_value
from pages.runs import table as module
from pages.runs.find import ALL, Wanted, matching
from pages.runs.frame import frame
from tests.pages.scene import Scene, texts
from tests.pages.watched_runs import WatchedRuns

CHOSEN = "run_table_chosen"


class Registry:
    def __init__(self, runs: WatchedRuns) -> None:
        self.runs = runs
        self.memory: dict[str, dict[str, object]] = {}

    def recall(self, key: str) -> dict[str, object] | None:
        return self.memory.get(key)

    def remember(self, key: str, value: dict[str, object]) -> None:
        self.memory[key] = value

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


class Counted:
    """What the page asks of the registry: curves by run, and how often the runs were listed."""

    def __init__(self, scene: Scene, runs: WatchedRuns, monkeypatch: pytest.MonkeyPatch) -> None:
        self.curves: list[str] = []
        self.lists = self.tables = 0
        series, listed, frame_of = scene.registry.series, runs.list, module.frame  # type: ignore[attr-defined]

        def counted_series(ids: list[str], *how: object) -> object:
            self.curves += ids
            return series(ids, *how)

        def counted_list() -> object:
            self.lists += 1
            return listed()

        def counted_frame(*what: object) -> object:
            self.tables += 1
            return frame_of(*what)  # type: ignore[arg-type]

        monkeypatch.setattr(scene.registry, "series", counted_series)  # type: ignore[attr-defined]
        monkeypatch.setattr(runs, "list", counted_list)
        monkeypatch.setattr(module, "frame", counted_frame)


def test_an_idle_table_reads_nothing_and_a_changed_run_only_itself(
    scene: Scene, runs: WatchedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(runs, "one")
    second = past(runs, "two")
    app = show(scene)
    counted = Counted(scene, runs, monkeypatch)
    app.run()
    app.run()
    assert (counted.curves, counted.tables) == ([], 0)
    runs.change(second, name="again")
    assert list(app.run().dataframe[0].value["name"]) == ["again", "one"]
    assert counted.curves == [second]


def test_of_a_thousand_runs_the_page_that_is_shown_is_read(
    scene: Scene, runs: WatchedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        runs.add(RunStatus.FINISHED, name=f"run {number}")
    counted = Counted(scene, runs, monkeypatch)
    app = show(scene)
    assert len(counted.curves) == module.PAGE == len(app.dataframe[0].value)
    assert "1 to 100 of 1,000 runs" in texts(app)
    app.button(key="runs-next").click().run()
    assert app.dataframe[0].value["name"][0] == "run 899"
    assert len(counted.curves) == 2 * module.PAGE
    app.text_input(key="runs-find").set_value("899").run()
    assert list(app.dataframe[0].value["name"]) == ["run 899", "run 898"], "from its first page"


def test_a_tab_left_open_asks_one_number_and_draws_when_something_shown_changed(
    scene: Scene, runs: WatchedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(module.PAGE + 1):
        past(runs, f"run {number}")
    app = show(scene)
    shown = app.session_state["run_table_kept"]
    counted = Counted(scene, runs, monkeypatch)
    assert not module.has_news(shown)
    assert counted.lists == 0
    runs.change("run-1", note="the oldest, on the second page")
    assert not module.has_news(shown)
    runs.change(f"run-{module.PAGE}", note="a shown one")
    assert module.has_news(shown)
    assert counted.curves == []


def test_a_run_that_merely_trains_is_drawn_anew_now_and_then(
    scene: Scene, runs: WatchedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.begin("live")
    runs.learn(run.run_id, 2)
    app = show(scene)
    shown = app.session_state["run_table_kept"]
    runs.learn(run.run_id, 1)
    assert not module.has_news(shown)
    assert module.has_news(dataclasses.replace(shown, at=shown.at - module.CALM - 1))
    runs.end(run.run_id)
    assert module.has_news(shown), "its end is shown at once"


def test_the_elbo_is_a_column_and_a_loss_with_another_weight_is_not_taken_for_it(runs: WatchedRuns) -> None:
    new, old = past(runs, "new"), past(runs, "old")
    runs.change(old, judged_by="validation_loss", last_validation=300.0)
    table = frame(runs.list(), {}, columns=("weighted",)).set_index("name")
    assert table.loc["new", "elbo"] == runs.get(new).last_validation
    assert math.isnan(table.loc["old", "elbo"])
    assert table.loc["old", "weighted"] == 300.0
    assert math.isnan(table.loc["new", "weighted"])


def test_every_setting_can_be_a_column(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "deep", n_layers=3)
    app = show(scene)
    app.multiselect(key="runs-columns").set_value(["n_layers", "dataset"]).run()
    table = app.dataframe[0].value
    assert list(table.columns) == ["open", "name", "status", "elbo", "n_layers", "dataset"]
    assert list(table["n_layers"]) == ["3"]


def test_a_baseline_stays_on_top_and_others_are_measured_against_it(scene: Scene, runs: WatchedRuns) -> None:
    base, better = past(runs, "base"), past(runs, "better")
    runs.change(base, last_validation=400.0)
    runs.change(better, last_validation=390.0)
    other_cells, other_data = past(runs, "other seed", seed=9), past(runs, "other data")
    runs.change(other_data, spec=RunSpec("lung", "Lung"))
    app = show(scene, base)
    app.button(key="runs-pin").click().run()
    table = app.run().dataframe[0].value
    assert table["name"][0] == "📌 base"
    above = dict(zip(table["name"], table["delta"], strict=True))
    assert above["better"] == -10.0
    assert all(math.isnan(above[name]) for name in ("📌 base", "other seed", "other data"))
    assert runs.get(other_cells).last_validation is not None


def test_tags_are_given_in_the_dialog_found_and_shown(scene: Scene, runs: WatchedRuns) -> None:
    run_id = past(runs, "mine")
    past(runs, "another")
    app = show(scene, run_id)
    app.button(key="runs-rename").click().run()
    app.multiselect(key="rename-tags").set_value(["figure 2"])
    next(button for button in app.button if button.label == "Save").click().run()
    assert runs.get(run_id).tags == ("figure 2",)
    app.text_input(key="runs-find").set_value("figure").run()
    table = app.dataframe[0].value
    assert list(table["name"]) == ["mine"]
    assert list(table["tags"][0]) == ["figure 2"]


def test_a_view_brings_search_order_and_columns_back(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "b")
    past(runs, "a")
    app = show(scene)
    app.selectbox(key="runs-order").set_value("name")
    app.multiselect(key="runs-columns").set_value(["device"])
    app.run()
    app.text_input(key="runs-view-name").set_value("by name")
    app.button(key="runs-view-save").click().run()
    again = show(scene)
    again.button(key="view-by name").click().run()
    table = again.dataframe[0].value
    assert list(table["name"]) == ["a", "b"]
    assert list(table.columns)[4:] == ["device"]


def test_imported_twins_are_told_apart(scene: Scene, runs: WatchedRuns) -> None:
    past(runs, "baseline")
    runs.change(past(runs, "baseline"), imported_from="Lab Mac")
    past(runs, "alone")
    names = list(show(scene).dataframe[0].value["name"])
    assert names[0] == "alone"
    assert names[1].startswith("baseline (from Lab Mac, ")
    assert names[2].startswith("baseline (this workspace, ")


def test_a_phone_gets_name_status_and_elbo(scene: Scene, runs: WatchedRuns) -> None:
    run = runs.get(past(runs, "<b>mine</b>"))
    app = show(scene)
    (narrow,) = [one.proto.body for one in app.get("html") if '<table class="runs-narrow">' in one.proto.body]
    assert f'href="train?run={run.run_id}"' in narrow
    assert "&lt;b&gt;mine&lt;/b&gt;" in narrow
    assert "<td>finished</td>" in narrow
    assert loss_value(run.last_validation or 0.0) in narrow


@pytest.mark.parametrize("number", [1e30, -1e30, math.inf])
def test_a_run_of_any_time_leaves_the_table_standing(scene: Scene, runs: WatchedRuns, number: float) -> None:
    runs.change(past(runs, "from elsewhere"), created_at=number, elapsed=abs(number))
    table = show(scene).dataframe[0].value
    assert list(table["name"]) == ["from elsewhere"]
    assert table[["created", "elapsed"]].isna().all(axis=None)
