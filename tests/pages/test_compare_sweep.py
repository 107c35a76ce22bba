"""The Sweep tab: one click starts a sweep, its progress is steered, its table stands beside the published one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.charts import PUBLISHED, SweepRow, SweepTable
from backend.comparison import Comparer
from backend.errors import BadInput
from backend.groups import Groups
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.runs import RunService
from backend.settings import Settings
from backend.types import GroupProgress, Pace, RunSpec, RunStatus, SweepPlan
from backend.workers import LocalWorker, make_executor
from pages.compare.sweep.form import numbers
from pages.compare.sweep.results import frame
from pages.compare.sweep.sweep import progress_words
from tests.pages.scene import Scene, texts
from tests.runs.fakes import FakeTrain

PLAN = SweepPlan(
    RunSpec("demo-ready", accelerator="cpu", max_epochs=3), batch_sizes=(128, 256), engines=("stock",)
)


class Studio:
    """The real groups, runs and registry, over a training that takes no time."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        settings = Settings(folder)
        self.scene, self.train, self.registry = scene, FakeTrain(), RunRegistry(settings.registry_path)
        self.registry.open()
        executor = make_executor("inline")
        self.runs = RunService(
            settings,
            self.registry,
            scene.datasets,
            executor,
            scene.devices,
            JobBoard(settings.workspace / "jobs", executor),
            worker=LocalWorker(executor, self.train),
            calibrate=lambda *of: Pace(1.0, 0.0),
        )
        self.groups = Groups(self.registry, self.runs, scene.datasets, scene.devices)
        made: Any = scene
        made.runs, made.groups, made.registry = self.runs, self.groups, self.registry
        made.comparer = Comparer(self.registry, None)  # type: ignore[arg-type]

    def open(self, **params: str) -> AppTest:
        app = self.scene.open("compare", **{"tab": "sweep", **params})
        assert not app.exception, app.exception
        return app

    def close(self) -> None:
        self.runs.close()
        self.registry.close()


@pytest.fixture
def studio(scene: Scene, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(scene, tmp_path / "workspace")
    yield studio
    studio.close()


def tables(app: AppTest) -> list[dict[str, list[str]]]:
    return [{name: list(column) for name, column in table.value.items()} for table in app.table]


def test_one_click_starts_the_full_default_sweep_with_both_engines(studio: Studio) -> None:
    studio.runs.start()
    app = studio.open()
    said = texts(app)
    assert "**6 runs**" in said
    assert "Minibatch sizes 1,024, 2,048 and 4,096 are left out" in said.replace("\\", "").replace(
        "\u2060", ""
    )
    app.button(key="sweep-start").click().run()
    assert not app.exception, app.exception
    group_id = app.query_params["group"]
    assert [(run.spec.batch_size, run.spec.engine) for run in studio.groups.runs(group_id)] == [
        (size, engine) for size in (128, 256, 512) for engine in ("stock", "fused")
    ]
    assert {run.spec.max_epochs for run in studio.groups.runs(group_id)} == {5}
    stock, fused, published = tables(app)
    sizes = [*stock["Minibatch"], *fused["Minibatch"]]
    assert [size.removesuffix(" ★") for size in sizes] == ["128", "256", "512"] * 2
    assert not any("★" in size for size in sizes), "after five epochs nothing can be recommended"
    assert stock["LR"] == ["0.001", "0.002", "0.004"]
    assert published["Time"] == ["100.0 s", "89.0 s", "83.1 s", "80.5 s", "**77.7 s**", "79.2 s"]
    assert published["Val. loss"] == ["4,911", "4,880", "**4,856**", "4,925", "4,968", "5,228"]
    said = texts(app)
    assert "90,852 cells, 5 epochs" in said
    assert "does not define its validation loss" in said
    assert "Verdict" in said
    assert "No setting is recommended" in said
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    every = links["All results, side by side"]
    assert all(run.run_id in every for run in studio.groups.runs(group_id))
    assert "show=biology" in links["Compare embeddings"]


def test_a_sweep_is_paused_resumed_and_told_of(studio: Studio) -> None:
    studio.runs.start(work=False)
    group_id = studio.groups.sweep(PLAN).group_id
    app = studio.open(group=group_id)
    assert tables(app)[0]["Time"] == ["queued", "queued"]
    app.button(key="sweep-pause").click().run()
    assert studio.groups.get(group_id).paused
    studio.runs.start()
    assert studio.train.specs == []
    app.button(key="sweep-resume").click().run()
    assert not app.exception, app.exception
    assert studio.groups.progress(group_id).finished == 2
    assert app.run().button(key="sweep-delete")
    assert not [one for one in app.button if one.key in ("sweep-pause", "sweep-resume", "sweep-cancel")]


def test_a_failed_point_is_explained_and_the_others_are_shown(studio: Studio) -> None:
    studio.train.diverge_at = 1
    studio.runs.start()
    group_id = studio.groups.sweep(PLAN).group_id
    app = studio.open(group=group_id)
    assert tables(app)[0]["Time"] == ["failed", "failed"]
    assert "not a number" in "\n".join(str(error.value) for error in app.error)


def test_names_stay_text(studio: Studio) -> None:
    studio.runs.start()
    group = studio.groups.sweep(PLAN, "<b>$x$</b> :smile: [a](http://b)")
    app = studio.open(group=group.group_id)
    assert app.subheader[0].value.startswith("\\<b\\>\\$x\\$")
    app = studio.open()
    assert any("\\<b\\>\\$x\\$" in str(one.value) for one in app.markdown)


def test_the_id_of_a_sweep_is_enough_of_an_address(studio: Studio) -> None:
    group = studio.groups.sweep(PLAN, "Sizes")
    app = studio.open(tab="", group=group.group_id)
    assert app.session_state["compare_tab"] == "sweep"
    assert "Sizes" in texts(app)


def test_a_link_to_a_sweep_that_is_gone_says_so_and_offers_a_new_one(studio: Studio) -> None:
    app = studio.open(group="nothing-here")
    assert "Sweep not found" in texts(app)
    assert app.button(key="sweep-start")


def test_a_plan_that_cannot_be_trained_is_explained_instead_of_a_button(studio: Studio) -> None:
    app = studio.open()
    app.button_group(key="sweep-new-sizes").set_value([2048, 4096]).run()
    assert not app.exception, app.exception
    assert "No minibatch size fits" in "\n".join(str(error.value) for error in app.error)
    assert not [one for one in app.button if one.key == "sweep-start"]


def test_without_data_the_tab_says_where_to_get_some(scene: Scene) -> None:
    scene.datasets.ready.clear()
    assert "No prepared data set yet" in texts(scene.open("compare", tab="sweep"))


def test_the_runs_of_a_sweep_are_recognised_and_filtered_on_the_runs_page(studio: Studio) -> None:
    studio.runs.start()
    group = studio.groups.sweep(PLAN, "Night shift")
    studio.runs.submit(PLAN.base.replace(seed=7), name="On its own")
    app = studio.scene.open("runs")
    assert not app.exception, app.exception
    table = app.dataframe[0].value
    assert list(map(list, table["group"])) == [[], ["Night shift"], ["Night shift"]]
    app.selectbox(key="runs-group").select(group.group_id).run()
    assert len(app.dataframe[0].value) == 2
    linked = studio.scene.open("runs", group=group.group_id)
    assert len(linked.dataframe[0].value) == 2


def test_cells_of_the_table_show_spread_and_mark_the_best() -> None:
    table = SweepTable(
        "fused · CPU",
        "cpu",
        (
            SweepRow(128, 0.001, 12.3456, 0.25, 4911.4, 3.21, fastest=True),
            SweepRow(256, 0.002, 2348.0, None, 321.44, None, best=True),
            SweepRow(512, 0.004, state="running", epoch=2, max_epochs=5),
            SweepRow(1024, 0.008, state="interrupted"),
        ),
    )
    assert frame(table)["Time"].tolist() == [
        "**12.3 s ± 0.25 s**",
        "2,348 s",
        "training, 2 of 5",
        "interrupted",
    ]
    assert frame(table)["Val. loss"].tolist() == ["4,911 ± 3.2", "**321.4**", "–", "–"]
    assert len(PUBLISHED.rows) == 6


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            GroupProgress(12, finished=3, running=1, queued=8, seconds_left=240.0, state="running"),
            "3 of 12 runs done · :material/play_circle: training · about 4 min left",
        ),
        (
            GroupProgress(2, queued=2, elsewhere=True, state="waiting"),
            "0 of 2 runs done · :material/schedule: queued · from the command line",
        ),
        (
            GroupProgress(3, finished=1, failed=1, canceled=1),
            "1 of 3 runs done · :material/check_circle: done · 1 failed · 1 cancelled",
        ),
        (
            GroupProgress(1, interrupted=1, state="interrupted"),
            "0 of 1 run done · :material/power_off: interrupted",
        ),
    ],
)
def test_progress_is_one_line(state: GroupProgress, said: str) -> None:
    assert progress_words(state) == said


def test_values_are_read_from_text() -> None:
    assert numbers("5, 10,5", "n_latent") == (5, 10)
    assert numbers("", "n_latent") == ()
    assert numbers("0.1,.2", "dropout_rate") == (0.1, 0.2)
    with pytest.raises(BadInput, match="must be a whole number between 1 and 1,000, and is 'ten'"):
        numbers("5, ten", "n_latent")


def test_every_run_under_way_is_named_with_its_worker(studio: Studio) -> None:
    studio.runs.start(work=False)
    group_id = studio.groups.sweep(PLAN).group_id
    for number, run in enumerate(studio.groups.runs(group_id), 1):
        studio.registry.update(run.run_id, status=RunStatus.RUNNING, worker=f"worker {number}", epoch=1)
    said = texts(studio.open(group=group_id)).replace("\\", "").replace("\u2060", "")
    assert "Now on worker 1: **stock · CPU · minibatch 128**" in said
    assert "Now on worker 2: **stock · CPU · minibatch 256**" in said
