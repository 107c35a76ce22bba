"""Explore: clusters held against labels the cells came with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import services
from backend.errors import NotFound
from backend.types import DatasetRef
from pages.explore.integration import sentence
from tests.analysis.small_run import SmallRun, train_small
from tests.pages.explored_run import explored, open_explore
from tests.pages.scene import texts


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    with explored(trained, tmp_path) as run:
        yield run


def test_agreement_is_there_without_a_button_and_follows_column_and_resolution(small: SmallRun) -> None:
    app = open_explore("labels")
    app.run()
    assert not app.exception
    column = next(box for box in app.selectbox if box.label == "Labels")
    app = column.set_value("kind").run()
    next(slider for slider in app.slider if slider.label == "Resolution").set_value(0.3).run()
    app.run()
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert float(shown["Adjusted Rand index (ARI)"]) > 0.9
    assert shown["Clusters"] == "3"
    assert "largely match **kind**" in texts(app)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ((0.9, 0.95, 0, 2), ["largely match"]),
        ((0.5, 0.9, 3, 9), ["partly match", "try a lower resolution", "3 cells without a label"]),
        ((0.5, 0.9, 0, 1), ["try a higher resolution"]),
        ((0.3, 0.7, 0, 2), ["partly match"]),
        ((0.1, 0.3, 0, 2), ["do not match"]),
    ],
)
def test_the_numbers_are_said_in_words(facts: tuple[float, float, int, int], said: list[str]) -> None:
    given = dict(zip(("ari", "same_label", "n_unknown", "n_clusters"), facts, strict=True))
    text = sentence({**given, "levels": ["a", "b"], "chance_label": 0.2}, "*type*")
    assert r"\*type\*" in text
    assert all(part in text for part in said)


def test_a_run_from_elsewhere_says_what_it_lacks_and_offers_no_button_that_must_refuse(
    small: SmallRun,
) -> None:
    small.registry.update(small.run_id, imported_from="Another computer")
    for see in ("trust", "markers"):
        app = open_explore(see)
        assert not app.exception
        assert any("without its model" in info.value for info in app.info)
        captions = {button.label for button in app.button}
        assert not captions & {"Run all diagnostics", "Simulate counts", "Find marker genes"}


def test_without_the_data_the_page_says_so_and_not_that_there_are_no_labels(
    small: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise NotFound("This data set is no longer here.")

    monkeypatch.setattr(services.current().cells, "columns", gone)
    app = open_explore("labels")
    assert not app.exception
    assert [info.value.replace("\\", "") for info in app.info] == ["This data set is no longer here."]
