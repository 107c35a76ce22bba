"""What readers of the history keep: a baseline for each data set, and views under names. Kept with the workspace.

pin(run); baselines()             # data set id -> run id
save_view("sweep on lung", view)  # a view: search, filters, order and columns
"""

from __future__ import annotations

from typing import Any

from backend import services
from backend.errors import BadInput
from backend.types import RunRecord

_BASELINES, _VIEWS = "runs-baselines", "runs-views"
MOST_VIEWS = 30


def baselines() -> dict[str, str]:
    found = services.current().registry.recall(_BASELINES) or {}
    return {data: run for data, run in found.items() if isinstance(run, str)}


def pin(run: RunRecord) -> None:
    """The run that others on its data set are measured against."""
    services.current().registry.remember(_BASELINES, baselines() | {run.spec.dataset_id: run.run_id})


def unpin(run: RunRecord) -> None:
    left = {data: pinned for data, pinned in baselines().items() if pinned != run.run_id}
    services.current().registry.remember(_BASELINES, left)


def views() -> dict[str, dict[str, Any]]:
    found = services.current().registry.recall(_VIEWS) or {}
    return {name: view for name, view in found.items() if isinstance(view, dict)}


def save_view(name: str, view: dict[str, Any]) -> None:
    name, known = " ".join(name.split())[:60], views()
    if not name:
        raise BadInput("A view needs a name.")
    if len(known) >= MOST_VIEWS and name not in known:
        raise BadInput(f"{MOST_VIEWS} views are kept at most. Delete one first.")
    services.current().registry.remember(_VIEWS, known | {name: view})


def delete_view(name: str) -> None:
    services.current().registry.remember(_VIEWS, {one: v for one, v in views().items() if one != name})
