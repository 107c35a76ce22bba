"""Whatever stands in the database already, the list of runs is read, searched and shown."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.registry import RunRegistry
from backend.types import RunRecord, RunSpec, RunStatus
from backend.words import duration, loss_value, moment, or_dash, sentence
from pages.runs.table import frame

COLUMNS = [field.name for field in dataclasses.fields(RunRecord) if field.name != "run_id"]
EXTREMES = st.sampled_from(
    [
        *(
            0,
            -1,
            2**63 - 1,
            -(2**63),
            1e308,
            -1e308,
            float("inf"),
            float("-inf"),
            253402300800.0,
            1e20,
            5e-324,
        ),
        *(
            "",
            "x",
            "[]",
            "{}",
            "null",
            "[1]",
            '{"max_epochs": -1}',
            '{"dataset_id": []}',
            "[" * 2000,
            "1e999",
        ),
        *("\x00", "é" * 5000, "<script>", b"\xff\x00", '[{"code": "x"}]', '{"message": 3}', "nan", "running"),
    ]
)
FAST = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@FAST
@given(st.dictionaries(st.sampled_from(COLUMNS), EXTREMES, min_size=1, max_size=4))
def test_a_list_survives_any_row(cells: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.sqlite3"
        registry = RunRegistry(path)
        registry.open()
        for run_id in ("good", "odd"):
            registry.add(
                RunRecord(run_id, RunSpec("d", dataset_name="cells"), RunStatus.FINISHED, run_id, 1.0)
            )
        with sqlite3.connect(path) as db:
            for name, value in cells.items():
                db.execute(f"UPDATE runs SET {name} = ? WHERE run_id = 'odd'", (value,))
        db.close()
        found = {run.run_id: run for run in registry.list()}
        assert found.keys() == {"good", "odd"}
        assert found["good"].name == "good"
        assert registry.get("odd") == found["odd"]
        assert [run.run_id for run in registry.list(search="good")] == ["good"]
        assert len(frame(list(found.values()), {})) == 2
        for run in found.values():
            said = (
                *(duration(run.elapsed), moment(run.created_at), or_dash(run.started_at, moment)),
                *(or_dash(run.best_validation, loss_value), *map(sentence, run.notices)),
            )
            assert all(said)
        registry.remove("odd")
        registry.close()
