"""The frame: the menu, the line about the active run on every page, toasts, addresses that do not exist."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend.errors import NotFound
from backend.types import Problem, RunSpec, RunStatus
from tests.pages.scene import SHELL, Scene

PAGES = ("start", "train", "data", "compare", "explore", "runs", "device")

SPEC = RunSpec("demo-ready", "Blood cells (PBMC)", max_epochs=25)


def progress_lines(app: AppTest) -> list[str]:
    return [str(element.proto.text) for element in app.get("progress")]


@pytest.mark.parametrize("page", ["start", "train", "device"])
def test_active_run_is_shown_on_every_page(scene: Scene, page: str) -> None:
    scene.runs.add(RunStatus.RUNNING, spec=SPEC, name="Lung", epoch=5, seconds_per_epoch=6.0)
    scene.runs.add(RunStatus.QUEUED, spec=SPEC)
    (line,) = progress_lines(scene.open(page))
    assert line == "**Lung** · epoch 5 of 25 · about 2 min left · 1 more queued"


def test_line_says_what_happens_before_the_first_epoch(scene: Scene) -> None:
    scene.runs.add(RunStatus.RUNNING, spec=SPEC, name="Lung", phase="loading data")
    assert progress_lines(scene.open()) == ["**Lung** · loading data"]


def test_stop_is_shown_at_once(scene: Scene) -> None:
    scene.runs.add(RunStatus.RUNNING, spec=SPEC, name="Lung", epoch=25, requested="stop")
    assert progress_lines(scene.open()) == ["**Lung** · epoch 25 of 25 · stopping"]


def test_name_of_a_run_is_shown_as_text(scene: Scene) -> None:
    scene.runs.add(RunStatus.RUNNING, spec=SPEC, name="**[a](http://b)**")
    (line,) = progress_lines(scene.open())
    assert "[a](" not in line.replace("\\[", "")


def test_nothing_is_shown_while_nothing_trains(scene: Scene) -> None:
    assert progress_lines(scene.open()) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (RunStatus.FINISHED, "finished: 25 epochs in 2 min"),
        (RunStatus.STOPPED, "was stopped after 25 epochs. Its model is kept"),
        (RunStatus.FAILED, "ended early. The loss is not a number"),
        (RunStatus.CANCELED, "was cancelled"),
    ],
)
def test_end_of_a_run_is_announced_on_another_page(scene: Scene, status: RunStatus, said: str) -> None:
    run = scene.runs.add(RunStatus.RUNNING, spec=SPEC, name="Lung")
    app = scene.open("device")
    assert not app.toast
    problem = Problem("diverged", "error", "The loss is not a number") if status is RunStatus.FAILED else None
    scene.runs.change(run.run_id, status=status, epoch=25, elapsed=120.0, problem=problem)
    app.run()
    (toast,) = app.toast
    assert said in str(toast.value).replace("\\", "")


def test_end_of_a_run_is_announced_once(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.RUNNING, spec=SPEC)
    app = scene.open()
    scene.runs.change(run.run_id, status=RunStatus.FINISHED)
    app.run()
    app.run()
    assert not app.toast


def test_run_deleted_meanwhile_is_not_announced(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.RUNNING, spec=SPEC)
    app = scene.open()
    del scene.runs.records[run.run_id]
    with pytest.raises(NotFound):
        scene.runs.get(run.run_id)
    app.run()
    assert not app.exception
    assert not app.toast


def open_address(path: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The app as a browser opens it: the address decides the page."""
    monkeypatch.setattr(ContextProxy, "url", property(lambda self: f"http://127.0.0.1:8501/{path}"))
    app = AppTest.from_file(SHELL, default_timeout=30)
    app._page_hash = calc_hash(unquote(path))
    return app.run()


@pytest.mark.parametrize("path", ["nonsense", "Train", "a%20b", "..%2F..%2Fetc%2Fpasswd"])
def test_address_without_a_page_never_ends_in_an_error(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert not open_address(path, monkeypatch).exception


def test_address_without_a_page_says_so_and_where_to_go(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_address("nonsense", monkeypatch)
    assert [title.value for title in app.title] == ["Page not found"]
    assert {link.proto.label for link in app.get("page_link")} == {"Start", "Train"}


def test_start_page_answers_to_its_own_name(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_address("start", monkeypatch)
    assert [title.value for title in app.title] == ["From a count matrix to a trained scVI model"]


@pytest.mark.parametrize("page", [*PAGES])
def test_what_keeps_runs_from_being_recorded_is_said_on_every_page(scene: Scene, page: str) -> None:
    scene.runs.trouble_now = "The workspace /w was deleted or replaced."
    app = scene.open(page)
    assert any("was deleted or replaced" in error.value for error in app.error)
