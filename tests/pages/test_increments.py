"""A chart that is drawn again travels as what is new in it; the browser puts it together with what it has."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import increments, live_chart
from pages.shared.increments import differences
from tests.pages.scene import Scene
from tests.pages.watched_runs import WatchedRuns

SCRIPT = Path(increments.__file__).with_suffix(".js")
PAIRS = [
    ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2, 3, 4]}),
    ({"a": [1, 2, 3]}, {"a": [1, 5]}),
    ({"a": [{"x": [1]}, {"x": []}]}, {"a": [{"x": [1, None]}, {"x": [0.5]}]}),
    ({"a": [{"x": 1}]}, {"a": [{"x": 1}, {"x": 2}]}),
    ({"a": {"b": 1}}, {"a": {"c": 1}}),
    ({"a": 1}, {"a": True}),
    ({"a": []}, {"a": [[]]}),
    ([1, 2], [1, 2, 3]),
    ({"a": 1}, {"a": 1}),
]


def put_together(value: Any, changes: list[Any]) -> Any:
    """What ``increments.js`` does."""
    for path, *made in changes:
        if not path:
            value = made[0] if len(made) == 1 else [*value[: made[0]], *made[1]]
            continue
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        was = holder[path[-1]] if len(made) == 2 else None
        holder[path[-1]] = made[0] if len(made) == 1 else [*was[: made[0]], *made[1]]
    return value


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_what_changed_and_what_was_there_make_what_is_there_now(old: Any, new: Any) -> None:
    changes = differences(old, new)
    assert put_together(json.loads(json.dumps(old)), changes) == new
    assert (changes == []) == (json.dumps(old) == json.dumps(new))


@pytest.mark.skipif(shutil.which("node") is None, reason="the script needs an engine to run in")
def test_the_browser_puts_them_together_in_the_same_way() -> None:
    cases = [[old, differences(old, new)] for old, new in PAIRS]
    script = SCRIPT.read_text() + (
        f"console.log(JSON.stringify({json.dumps(cases)}.map(([old, changes]) => changes.reduce(changed, old))))"
    )
    said = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == [new for _, new in PAIRS]


def test_a_run_of_many_epochs_sends_an_epoch_and_not_the_run(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = WatchedRuns(tmp_path)
    scene.runs = runs
    run = runs.begin(max_epochs=700)
    runs.learn(run.run_id, 350)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(live_chart, "_mount", lambda **what: sent.append(what["data"]))
    app: AppTest = scene.open("train", run=run.run_id)
    whole = sum(len(json.dumps(data)) for data in sent)
    app.run()
    updates = []
    for _ in range(20):
        sent.clear()
        runs.learn(run.run_id)
        app.run()
        assert not app.exception, app.exception
        assert len(sent) == 5
        updates.append(sum(len(json.dumps(data)) for data in sent))
    assert whole > 25_000
    assert max(updates) < whole / 4
    assert sum(updates) / len(updates) < whole / 6
