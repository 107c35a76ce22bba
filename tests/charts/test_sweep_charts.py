"""The figures and tables of a sweep, on numbers that can be checked by eye."""

from __future__ import annotations

import json
from typing import Any

import plotly.graph_objects as go
import pytest

from backend.charts import PUBLISHED, sweep_loss_chart, sweep_pareto_chart, sweep_tables, sweep_time_chart
from backend.types import ComparedSetting, Comparison, Curves, MetricPoint, RunRecord, RunSpec, RunStatus

BASE = RunSpec("d", "<b>Cells</b>", engine="stock", accelerator="cpu", max_epochs=3)


class Sweep:
    def __init__(self) -> None:
        self.runs: list[RunRecord] = []
        self.curves: dict[str, Curves] = {}

    def add(
        self, seconds: float = 0.0, loss: float = 0.0, status: RunStatus = RunStatus.FINISHED, **spec: Any
    ) -> str:
        run_id, epochs = f"r{len(self.runs)}", 3 if seconds else 0
        self.runs.append(
            RunRecord(
                run_id, BASE.replace(**spec), status, "run", 1.0, elapsed=seconds, epoch=epochs, device="cpu"
            )
        )
        curves = self.curves[run_id] = Curves()
        for epoch in range(1, epochs + 1):
            curves.add([MetricPoint("validation_loss", epoch, loss + 3 - epoch, seconds * epoch / 3)])
        return run_id

    @property
    def tables(self) -> dict[str, Any]:
        return {table.label: table.rows for table in sweep_tables(self.runs, self.curves)}


@pytest.fixture
def sweep() -> Sweep:
    return Sweep()


def test_each_way_of_training_has_its_table_with_the_best_marked(sweep: Sweep) -> None:
    for engine, faster in (("stock", 1), ("fused", 4)):
        sweep.add(40 / faster, 50.0, batch_size=128, engine=engine)
        sweep.add(20 / faster, 60.0, batch_size=256, lr=0.002, engine=engine)
    assert list(sweep.tables) == ["stock · CPU", "fused · CPU"]
    small, large = sweep.tables["fused · CPU"]
    assert (small.seconds, small.loss, small.best, small.fastest) == (10, 50, True, False)
    assert (large.seconds, large.loss, large.best, large.fastest) == (5, 60, False, True)


def test_seeds_are_averaged_with_their_spread(sweep: Sweep) -> None:
    sweep.add(10, 50.0, seed=0)
    sweep.add(14, 54.0, seed=1)
    (row,) = sweep.tables["stock · CPU"]
    assert (row.seconds, row.loss) == (12, 52)
    assert row.seconds_sd == pytest.approx(2.828, abs=0.001)
    assert row.loss_sd == pytest.approx(2.828, abs=0.001)


def test_a_point_that_is_not_done_says_where_it_is(sweep: Sweep) -> None:
    sweep.add(status=RunStatus.QUEUED)
    sweep.add(status=RunStatus.FAILED, batch_size=256)
    assert [(row.state, row.seconds, row.loss) for row in sweep.tables["stock · CPU"]] == [
        ("queued", None, None),
        ("failed", None, None),
    ]


def test_rules_that_agree_at_128_share_that_run(sweep: Sweep) -> None:
    shared = sweep.add(10, 50.0, batch_size=128, lr_rule="linear")
    sweep.add(9, 50.0, batch_size=256, lr=0.002, lr_rule="linear")
    sweep.add(8, 50.0, batch_size=256, lr=0.001, lr_rule="fixed")
    fixed = sweep.tables["stock · CPU · lr fixed"]
    assert [row.batch_size for row in fixed] == [128, 256]
    assert fixed[0].run_ids == (shared,)


def test_the_published_table_is_the_post_s() -> None:
    rows = [(row.batch_size, row.lr, row.seconds, row.loss) for row in PUBLISHED.rows]
    assert rows[0] == (128, 0.001, 100.0, 4911)
    assert rows[-1] == (4096, 0.032, 79.2, 5228)
    assert [row.batch_size for row in PUBLISHED.rows if row.best] == [512]
    assert [row.batch_size for row in PUBLISHED.rows if row.fastest] == [2048]


def test_time_is_drawn_in_seconds_or_against_128_beside_the_published_shape(sweep: Sweep) -> None:
    sweep.add(40, 50.0, batch_size=128)
    sweep.add(20, 60.0, batch_size=256)
    tables = sweep_tables(sweep.runs, sweep.curves)
    (line,) = sweep_time_chart(tables).data
    assert (line["x"], line["y"]) == ([128, 256], [40, 20])
    published, mine = sweep_time_chart(tables, relative=True).data
    assert published["y"] == [1, 0.89, 0.831, 0.805, 0.777, 0.792]
    assert mine["y"] == [1, 0.5]


def test_time_against_128_waits_for_128(sweep: Sweep) -> None:
    sweep.add(20, 60.0, batch_size=256)
    assert sweep_time_chart(sweep_tables(sweep.runs, sweep.curves), relative=True).empty
    assert sweep_time_chart([]).empty


def test_every_run_has_its_line_the_same_colour_for_a_size_and_the_same_dash_for_an_engine(
    sweep: Sweep,
) -> None:
    for size in (128, 256):
        for engine in ("stock", "fused"):
            sweep.add(9, 50.0, batch_size=size, engine=engine)
    chart = sweep_loss_chart(sweep.runs, sweep.curves, axis="time")
    assert [line["name"] for line in chart.data] == [
        "128 · stock · CPU",
        "128 · fused · CPU",
        "256 · stock · CPU",
        "256 · fused · CPU",
    ]
    look = {line["name"]: (line["line"]["color"], line["line"]["dash"]) for line in chart.data}
    assert look["128 · stock · CPU"][0] == look["128 · fused · CPU"][0] != look["256 · stock · CPU"][0]
    assert look["128 · stock · CPU"][1] == look["256 · stock · CPU"][1] != look["256 · fused · CPU"][1]
    assert chart.data[0]["x"] == [3, 6, 9]
    go.Figure(chart.figure)


def test_twelve_runs_of_400_epochs_stay_light() -> None:
    sweep = Sweep()
    for size in (128, 256, 512, 1024, 2048, 4096):
        for engine in ("stock", "fused"):
            run_id = sweep.add(9, 50.0, batch_size=size, engine=engine)
            sweep.curves[run_id].add(
                MetricPoint("validation_loss", epoch, 300 + epoch % 7, float(epoch))
                for epoch in range(4, 401)
            )
    chart = sweep_loss_chart(sweep.runs, sweep.curves)
    assert sum(len(line["x"]) for line in chart.data) <= 800
    assert len(json.dumps(chart.figure)) < 40_000


def test_time_against_loss_marks_the_front_and_shows_the_spread(sweep: Sweep) -> None:
    for size in (128, 256, 512):
        sweep.add(9, 50.0, batch_size=size)
    settings = (
        ComparedSetting("128", ("r0",), (0,), 40.0, None, 50.0, None, on_front=True),
        ComparedSetting("256", ("r1",), (0, 1), 20.0, 2.0, 51.0, 0.5, on_front=True, recommended=True),
        ComparedSetting("512", ("r2",), (0,), 30.0, None, 60.0, None),
    )
    front, points = sweep_pareto_chart(Comparison((), settings=settings), sweep.runs).data
    assert (front["x"], front["y"]) == ([20, 40], [51, 50])
    assert points["text"] == ["128", "256", "512"]
    assert points["error_y"]["array"] == [0, 0.5, 0]
    assert points["marker"]["size"] == [11, 19, 11]
    assert sweep_pareto_chart(Comparison(()), sweep.runs).empty
