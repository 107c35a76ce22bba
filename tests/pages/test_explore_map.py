"""Explore: which run, the map, what colours it, batches before and after, two runs; and every name as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend.types import DatasetRef, Groups, Labels, Numbers, RunStatus
from pages.explore.colour import named_clusters
from pages.explore.integration import sentences
from pages.shared import cell_map as cell_map_module
from pages.shared.cell_map import MapPanel, by_groups, by_numbers
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


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the browser is sent for each map."""
    sent: list[dict[str, Any]] = []

    def mount(**what: Any) -> None:
        sent.append(what["data"])

    monkeypatch.setattr(cell_map_module, "_mount", mount)
    return sent


def box(app: AppTest, label: str) -> Any:
    return next(box for box in app.selectbox if box.label == label)


# --- which run ---


def test_without_a_model_the_page_says_what_to_do(scene: Scene) -> None:
    app = scene.open("explore")
    assert not app.exception
    assert "Train a model first" in texts(app)


def test_a_run_without_a_model_cannot_be_chosen(scene: Scene) -> None:
    scene.runs.add(RunStatus.FAILED, name="Broken")
    assert "Train a model first" in texts(scene.open("explore"))


def test_an_unknown_run_in_the_address_is_told(small: SmallRun, drawn: list[dict[str, Any]]) -> None:
    app = AppTest.from_file(open_explore.__globals__["SHELL"], default_timeout=60)
    app.query_params["run"] = "no-such-run"
    app._page_hash = calc_hash("explore")
    app.run()
    assert not app.exception
    assert "was not found" in texts(app)
    assert box(app, "Run").value == RUN


# --- the map and its colours ---


def test_the_map_is_made_without_a_button_and_coloured_by_clusters(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    assert not app.exception
    sent = drawn[-1]
    assert sent["n"] == N
    assert sent["colour"]["kind"] == "groups"
    assert sent["colour"]["labelled"]
    assert sum(sent["colour"]["counts"]) == N
    assert sent["colour"]["counts"] == sorted(sent["colour"]["counts"], reverse=True)


def test_clusters_are_first_those_of_the_proposed_resolution(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    proposal = small.analyses.result(RUN, "resolution")
    assert proposal is not None
    assert app.slider[0].value == proposal.facts["resolution"] < 1.0
    assert f"{proposal.facts['resolution']:g} is proposed" in app.slider[0].help
    app.slider[0].set_value(2.0).run()
    assert app.run().slider[0].value == 2.0  # a choice stays


def test_the_resolution_slider_makes_other_clusters_and_the_points_stay(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    before = drawn[-1]
    app.slider[0].set_value(3.0).run()
    app.run()
    after = drawn[-1]
    assert len(after["colour"]["levels"]) > len(before["colour"]["levels"])
    assert after["panels"][0]["xy"] == before["panels"][0]["xy"]


def test_every_column_and_measure_can_colour(small: SmallRun, drawn: list[dict[str, Any]]) -> None:
    app = open_explore("map")
    options = box(app, "Colour by").options
    assert [name in options for name in ("Clusters", "Gene…", "kind", "batch", "Counts per cell")] == [
        True
    ] * 5
    for option in ("column:kind", "quality:counts", "loss"):
        app = box(app, "Colour by").set_value(option).run()
        assert not app.exception
        app.run()  # the loss was computed meanwhile
    titles = {sent["colour"]["title"] for sent in drawn if sent["colour"]}
    assert {"kind", "Counts per cell", "Reconstruction loss per cell"} <= titles


@pytest.mark.parametrize("how", ["Denoised", "Raw counts"])
def test_a_gene_is_found_by_a_part_of_its_name(
    small: SmallRun, drawn: list[dict[str, Any]], how: str
) -> None:
    app = open_explore("map")
    app = box(app, "Colour by").set_value("gene").run()
    app = app.text_input[0].set_value("GENE7").run()
    app.segmented_control(key="map_gene_how").set_value(how).run()
    app.run()
    assert not app.exception
    colour = drawn[-1]["colour"]
    assert colour["title"] == "gene7"
    assert colour["kind"] == "numbers"
    assert colour["high"] > colour["low"]


def test_a_gene_that_is_not_there_is_told(small: SmallRun, drawn: list[dict[str, Any]]) -> None:
    app = open_explore("map")
    app = box(app, "Colour by").set_value("gene").run()
    app = app.text_input[0].set_value("nothing *like* it").run()
    assert r"nothing \*like\* it" in texts(app)


def test_hostile_names_reach_the_browser_as_they_are_and_markdown_escaped(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    app = box(app, "Colour by").set_value("column:kind").run()
    assert ODD in drawn[-1]["colour"]["levels"]
    app = box(app, "Colour by").set_value("gene").run()
    app = app.text_input[0].set_value("HYPERLINK").run()
    app.run()
    assert drawn[-1]["colour"]["title"] == NASTY
    assert "<b>" not in texts(app)


def test_the_scripts_of_the_map_write_names_as_text_only() -> None:
    for path in Path(cell_map_module.__file__).parent.glob("cell_map*.js"):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval("))


# --- batches, two runs ---


def test_before_and_after_are_beside_each_other_with_numbers(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("integration")
    assert not app.exception
    app = box(app, "Batch").set_value("batch").run()
    app = box(app, "Cell type").set_value("kind").run()
    next(button for button in app.button if button.label.startswith("Compare")).click().run()
    app.run()
    assert not app.exception
    assert [panel["title"] for panel in drawn[-1]["panels"]] == ["Without scVI", "With scVI"]
    assert {metric.label for metric in app.metric} == {
        "Batch mixing (entropy)",
        "Same-batch neighbours (kNN)",
        "Same-cell-type neighbours (kNN purity)",
    }
    assert "mixed about as well as" in texts(app)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((0.3, 0.8), (0.8, 0.8), ["improves the mixing", "is about the same"]),
        ((0.8, 0.9), (0.5, 0.7), ["mixed less well", "less well separated"]),
        ((0.9, 0.6), (0.91, 0.9), ["mixed about as well", "already well mixed", "better separated"]),
    ],
)
def test_the_numbers_are_said_in_words(
    before: tuple[float, float], after: tuple[float, float], said: list[str]
) -> None:
    facts = {
        name: {"entropy": entropy, "same_label": label}
        for name, (entropy, label) in (("before", before), ("after", after))
    }
    text = " ".join(sentences(facts, "*donor*", "type"))
    assert r"\*donor\*" in text
    assert all(part in text for part in said)


def test_two_runs_of_the_same_cells_share_colours_and_choice(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    import shutil

    other = small.registry.get(RUN).replace(run_id="run-2", name="Another [one](x)")
    shutil.copytree(small.run_dir, small.settings.runs_dir / "run-2")
    small.registry.add(other)
    app = open_explore("linked")
    assert not app.exception
    assert [panel["title"] for panel in drawn[-1]["panels"]] == ["Small", "Another [one](x)"]


def test_with_one_run_the_page_says_how_to_get_another(small: SmallRun, drawn: list[dict[str, Any]]) -> None:
    app = open_explore("linked")
    assert "no other run on the same cells" in texts(app)
    assert drawn == []


# --- what is sent ---


def test_clusters_of_one_name_are_one_group_the_largest_first() -> None:
    clusters = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2], np.int32)
    labels = Labels(("Cluster 1", "T cells", "T cells"))
    found = named_clusters(clusters, labels)
    assert found.levels == ("T cells", "1")
    assert found.counts == (6, 5)
    assert found.codes.tolist() == [1] * 5 + [0] * 6
    assert named_clusters(clusters, None).levels == ("1", "2", "3")


def test_places_keep_their_proportions_and_up_is_up() -> None:
    xy = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0]])
    sent = np.frombuffer(cell_map_module._places(xy), "<u2").reshape(-1, 2).astype(float)
    assert sent[1, 0] - sent[0, 0] == 65535
    assert sent[1, 1] - sent[2, 1] == pytest.approx(65535 / 2, abs=1)
    assert cell_map_module._places(np.zeros((3, 2)))  # all cells in one place


def blob(url: str) -> bytes:
    from pages.server import send as _blobs

    return _blobs._blobs[url.split("/")[-1].split("?")[0]]


def test_numbers_are_clipped_at_percentiles_and_gaps_stay_gaps() -> None:
    values = np.concatenate([np.linspace(0, 1, 999), [1000.0], [np.nan]]).astype(np.float32)
    sent = by_numbers("x", Numbers(values))
    codes = np.frombuffer(blob(sent["codes"]), "u1")
    assert sent["high"] < 1.1
    assert codes[999] == 254
    assert codes[1000] == 255
    assert sent["missing"] == 1


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_a_gene_that_is_the_same_everywhere_is_no_trouble(value: float) -> None:
    sent = by_numbers("x", Numbers(np.full(10, value, np.float32)))
    assert np.isfinite([sent["low"], sent["high"]]).all()


def test_many_levels_are_sent_with_their_names_up_to_a_limit() -> None:
    n = 3000
    groups = Groups(np.arange(n, dtype=np.int32), tuple(map(str, range(n))), (1,) * n)
    sent = by_groups("x", groups)
    codes = np.frombuffer(blob(sent["codes"]), "<u2")
    assert len(sent["levels"]) == 2000
    assert (codes[2000:] == 65535).all()


def test_recolouring_sends_no_points(drawn: list[dict[str, Any]]) -> None:
    def page() -> None:
        import numpy as np

        from backend.types import Numbers
        from pages.shared.cell_map import MapPanel, by_numbers, cell_map

        xy = np.random.default_rng(0).normal(size=(50, 2))
        for seed in (1, 2):
            values = Numbers(np.random.default_rng(seed).normal(size=50).astype("float32"))
            cell_map([MapPanel("", xy)], by_numbers("v", values), key=f"m{seed}", runs=["r"])

    assert MapPanel("", np.zeros((1, 2))).caption == ""
    assert not AppTest.from_function(page).run().exception
    first, second = drawn
    assert first["panels"][0]["xy"] == second["panels"][0]["xy"]
    assert first["colour"]["codes"] != second["colour"]["codes"]
