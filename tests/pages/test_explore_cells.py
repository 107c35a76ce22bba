"""Explore: cells separating, marker genes with names for clusters, and whether to trust the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from backend.types import CellColours, DatasetRef, Frame, FrameIndex, Labels, RunStatus
from pages.explore import markers as explore_markers_table
from pages.shared.cell_frames import explained
from pages.shared.cell_map import encode
from tests.analysis.small_run import NASTY, RUN, N, SmallRun, train_small
from tests.pages.explored_run import explored, open_explore
from tests.pages.scene import Scene, texts

ODD = "odd <b>$x$</b>"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    with explored(trained, tmp_path) as run:
        yield run


def press(app: AppTest, label: str) -> AppTest:
    button = next(button for button in app.button if button.label == label)
    return button.click().run()


def box(app: AppTest, label: str) -> object:
    return next(box for box in app.selectbox if box.label == label)


# --- cells separating ---


def pictures(n: int = 4, **changes: object) -> FrameIndex:
    frames = tuple(Frame(f"{i:06d}-aa", i, (-1.0, -1.0), (1.0, 1.0), 0.8, 0.01) for i in range(3))
    return FrameIndex(n, 100, frames, 0.03, 2.0).replace(**changes)


def test_a_run_shows_its_cells_with_the_columns_that_can_colour_them(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.FINISHED, epoch=2, n_obs=100)
    scene.pictures.taken[run.run_id] = pictures()
    scene.pictures.coloured = {
        "cell_type": CellColours("cell_type", "categorical", (0, 1, 0, -1), ("T", "<b>B</b>")),
        "depth": CellColours("depth", "continuous", (0, 10, 255, -1), (), 0.0, 1.0),
    }
    app = open_live(scene, run.run_id)
    assert not app.exception
    assert "4** of 100 cells" in texts(app)
    assert "1.5 % of the training" in texts(app)
    colour = box(app, "Colour by")
    assert colour.options == ["cell_type", "depth", "Single colour"]  # type: ignore[attr-defined]
    for option in ("depth", ""):
        app = colour.set_value(option).run()  # type: ignore[attr-defined]
        assert not app.exception


def open_live(scene: Scene, run_id: str) -> AppTest:
    app = AppTest.from_function(_live_page, kwargs={"run_id": run_id}, default_timeout=30)
    return app.run()


def _live_page(run_id: str) -> None:
    from backend import services
    from pages.shared.cell_frames import live_section

    live_section(services.current().runs.get(run_id))


def test_a_run_without_pictures_says_why(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.FINISHED, epoch=2)
    assert "No frames were recorded" in texts(open_live(scene, run.run_id))


def test_a_run_that_has_just_begun_says_when_there_will_be_one(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.RUNNING)
    assert "when training begins" in texts(open_live(scene, run.run_id))


def test_what_is_shown_is_said_in_words() -> None:
    assert "all **100** cells" in explained(pictures(100))
    assert "of the training" not in explained(pictures(frame_seconds=0.0))


def test_real_pictures_of_a_real_run_are_served(small: SmallRun) -> None:
    app = open_explore("live")
    assert not app.exception
    assert "all **180** cells" in texts(app)
    assert "kind" in box(app, "Colour by").options  # type: ignore[attr-defined]


# --- marker genes ---


def test_markers_of_a_level_from_the_button_to_the_table(small: SmallRun) -> None:
    app = open_explore("markers")
    assert not app.exception
    app = box(app, "Group cells by").set_value("kind").run()  # type: ignore[attr-defined]
    app = box(app, "Group").set_value(ODD).run()  # type: ignore[attr-defined]
    app = press(app, "Find marker genes")
    assert not app.exception
    assert "genes** differ between" in texts(app)
    assert "\\<b\\>" in texts(app), "a level is text, never markup"
    table = app.dataframe[0].value
    assert set(table["gene"][:6]) == {f"gene{i}" for i in range(12, 18)}
    app = press(app, "Compute top genes")
    assert not app.exception
    assert "Dot size" in texts(app)


def test_cells_chosen_on_the_map_are_a_group(small: SmallRun) -> None:
    app = open_explore("markers")
    app.session_state["cell_selection"] = {RUN: (N, encode(np.arange(N // 3), N), "map")}
    app = app.run()
    app = box(app, "Group cells by").set_value("\0cells").run()  # type: ignore[attr-defined]
    assert box(app, "Group").options == ["selected cells (60 cells)"]  # type: ignore[attr-defined]
    app = press(app, "Find marker genes")
    assert not app.exception
    assert NASTY in set(app.dataframe[0].value["gene"][:6])


def test_clusters_are_named_merged_and_taken_back(small: SmallRun) -> None:
    small.put_clusters(np.repeat([0, 1, 2], N // 3))
    app = open_explore("markers")
    app = box(app, "Group cells by").set_value("\0clusters").run()  # type: ignore[attr-defined]
    app.text_input[0].set_value("*T* cells")
    app = press(app, "Rename")
    assert not app.exception
    assert names(small) == ("*T* cells", "Cluster 2", "Cluster 3")
    assert "*T* cells (60 cells)" in box(app, "Group").options  # type: ignore[attr-defined]
    app.multiselect[0].set_value(["Cluster 2", "Cluster 3"])
    app.text_input[1].set_value("the others")
    app = press(app, "Merge")
    assert names(small) == ("*T* cells", "the others", "the others")
    app = press(app, "Find marker genes")
    assert not app.exception
    app = press(app, "Compute top genes")
    assert not app.exception
    app = press(app, "Undo")
    assert names(small) == ("*T* cells", "Cluster 2", "Cluster 3")
    assert "genes** differ between" in texts(app), "a new name asks for nothing to be computed again"
    app = press(app, "Reset names")
    assert names(small)[0] == "Cluster 1"
    app = press(app, "Rename")
    assert "needs a name" in texts(app)


def names(small: SmallRun) -> tuple[str, ...]:
    found = small.analyses.result(RUN, "leiden")
    assert found is not None
    labels = small.analyses.names.of(RUN, found.options)
    assert isinstance(labels, Labels)
    return labels.names


def test_the_table_as_csv_holds_all_genes_and_no_formula(small: SmallRun) -> None:
    result = small.done("markers", groups={"by": "column", "name": "kind"}, one=["T"])
    lines = explore_markers_table.as_csv(result, "=T", "all other cells").splitlines()
    assert len(lines) == 61
    cells = [line.split(",")[0] for line in lines[1:]]
    assert not [cell for cell in cells if cell.lstrip('"')[:1] in "=+-@"]
    assert any("'=HYPERLINK" in line for line in lines)
    assert all(",'=T," in line for line in lines[1:])
    float(lines[1].split(",")[-1])


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\t=1", "\r\n-x"])
def test_text_that_a_spreadsheet_would_run_is_made_text(name: str) -> None:
    assert explore_markers_table.text(name).startswith("'")


def test_genes_hardly_any_cell_has_are_left_out_of_the_table_only(small: SmallRun) -> None:
    result = small.done("markers", groups={"by": "column", "name": "kind"}, one=["T"])
    everything = explore_markers_table.rows(result, {})
    common = explore_markers_table.rows(result, {}, seen=0.9)
    assert len(common["gene"]) < len(everything["gene"]) == 60
    higher = explore_markers_table.rows(result, {"gene1": "shown so"}, direction="higher")
    assert min(higher["effect"]) > 0
    assert "shown so" in higher["gene"]


# --- trust ---


def test_a_model_is_checked_from_one_button_to_four_answers(small: SmallRun) -> None:
    app = open_explore("trust")
    assert not app.exception
    said = texts(app)
    assert "Has training converged?" in said
    assert "levelled off" in said
    app = press(app, "Run all diagnostics")
    assert not app.exception
    said = texts(app)
    assert "have a fraction of zeros within" in said
    assert "encoded on the CPU" in said
    assert "far higher reconstruction loss" in said
    groups = box(app, "Groups of cells")
    assert "kind" in groups.options  # type: ignore[attr-defined]
    for option in ("kind", "\0all"):
        app = box(app, "Groups of cells").set_value(option).run()  # type: ignore[attr-defined]
        assert not app.exception
    assert not [button for button in app.button if button.label == "Run all diagnostics"]
