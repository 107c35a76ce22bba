"""The Compare page: its three ways, and that the address says which one is open."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.scene import Scene


def opened(scene: Scene, **params: str) -> AppTest:
    app = scene.open("compare", **params)
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize(
    ("params", "tab"),
    [
        ({}, "duel"),
        ({"tab": "sweep"}, "sweep"),
        ({"tab": "side"}, "side"),
        ({"runs": "run-1,run-2"}, "side"),
        ({"tab": "<b>nonsense</b>"}, "duel"),
    ],
)
def test_the_address_says_which_way_is_open(scene: Scene, params: dict[str, str], tab: str) -> None:
    assert opened(scene, **params).session_state["compare_tab"] == tab


def test_going_to_another_way_and_back_keeps_what_was_open(scene: Scene) -> None:
    app = opened(scene, tab="side", runs="run-1,run-2")
    app.segmented_control(key="compare_tab").set_value("duel").run()
    assert app.query_params["tab"] == "duel"
    assert "runs" not in app.query_params
    app.segmented_control(key="compare_tab").set_value("side").run()
    assert app.query_params["runs"] == "run-1,run-2"
