"""Explore: which run, the map, what colours it, batches before and after, two runs; and every name as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend.analysis import Cells
from backend.types import DatasetRef, Groups, Labels, Numbers, RunStatus
from pages.explore.integration import sentences
from pages.shared import cell_map as cell_map_module
from pages.shared.cell_map import MapPanel, by_groups, by_numbers, encode
from pages.shared.named_clusters import named_clusters
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


asks: list[dict[str, Any]] = []  # what the browser will ask for next, on the map that is drawn next


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the browser is sent for each map."""
    sent: list[dict[str, Any]] = []

    def mount(**what: Any) -> None:
        sent.append(what["data"])
        if asks:
            st.session_state[what["key"]] = SimpleNamespace(act=asks.pop(0))
            what["on_act_change"]()
            del st.session_state[what["key"]]
            st.rerun()

    monkeypatch.setattr(cell_map_module, "_mount", mount)
    yield sent
    asks.clear()


def ask(app: AppTest, **what: Any) -> AppTest:
    """Do something on the map, and let what it needs be computed."""
    asks.append(what)
    return app.run().run()


def colour_by(app: AppTest, value: str) -> AppTest:
    return ask(app, do="colour", value=value)


def items(sent: dict[str, Any]) -> dict[str, list[str]]:
    return {part["title"]: [item["name"] for item in part["items"]] for part in sent["menu"]["groups"]}


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


def test_the_map_is_made_without_a_button_and_coloured_by_clusters_where_no_cell_type_is_known(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    assert not app.exception
    sent = drawn[-1]
    assert sent["n"] == N
    assert sent["menu"]["chosen"] == "clusters"
    assert sent["colour"]["kind"] == "groups"
    assert sent["colour"]["labelled"]
    assert sum(sent["colour"]["counts"]) == N
    assert sent["colour"]["counts"] == sorted(sent["colour"]["counts"], reverse=True)


def test_the_first_colour_is_the_cell_type_where_there_is_one(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    with patch.object(Cells, "likely", lambda self, run: (None, "kind")):
        open_explore("map")
    assert drawn[-1]["colour"]["title"] == "kind"


def test_clusters_are_first_those_of_the_proposed_resolution(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    proposal = small.analyses.result(RUN, "resolution")
    assert proposal is not None
    control = drawn[-1]["menu"]["control"]
    assert control["value"] == proposal.facts["resolution"] < 1.0
    assert f"{proposal.facts['resolution']:g} is proposed" in control["help"]
    app = ask(app, do="resolution", value=2.0)
    app.run()
    assert drawn[-1]["menu"]["control"]["value"] == 2.0, "a choice stays"


def test_the_resolution_makes_other_clusters_and_the_points_stay(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    before = drawn[-1]
    ask(app, do="resolution", value=3.0)
    after = drawn[-1]
    assert len(after["colour"]["levels"]) > len(before["colour"]["levels"])
    assert after["panels"][0]["xy"] == before["panels"][0]["xy"]


def test_every_column_and_measure_can_colour_and_each_stands_with_its_kind(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    parts = items(drawn[-1])
    assert parts["Annotations"] == ["kind", "batch", "some"]
    assert parts["Clusters"] == ["Leiden clusters"]
    assert parts["Quality"] == ["Counts per cell", "Genes per cell", "Reconstruction loss per cell"]
    for value in ("column:kind", "quality:counts", "quality:loss"):
        app = colour_by(app, value)
        assert not app.exception
    titles = {sent["colour"]["title"] for sent in drawn if sent["colour"]}
    assert {"kind", "Counts per cell", "Reconstruction loss per cell"} <= titles


def test_a_gene_opens_on_log_normalised_counts_and_denoised_is_the_other_choice(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    app = colour_by(app, "gene:gene7")
    raw, control = drawn[-1]["colour"], drawn[-1]["menu"]["control"]
    assert (raw["title"], raw["kind"]) == ("gene7", "numbers")
    assert [option["name"] for option in control["options"]] == ["Log-normalised", "Denoised"]
    assert "Log-normalised" in raw["note"]
    app = ask(app, do="expression", value="model")
    assert not app.exception
    denoised = drawn[-1]["colour"]
    assert "Denoised" in denoised["note"]
    assert denoised["values"] != raw["values"]
    assert denoised["high"] > denoised["low"]


@pytest.mark.parametrize(
    "asked",
    [
        {"do": "colour", "value": "gene:nothing *like* it"},
        {"do": "colour", "value": "column:nothing"},
        {"do": "colour", "value": 7},
        {"do": "resolution", "value": 1e9},
        {"do": "rename", "level": 99, "name": "x"},
        {"do": "remove", "column": "kind"},
        {"do": "undo"},
        {"do": "markers", "bits": "no bits"},
        {"do": "what?"},
        {},
    ],
)
def test_what_the_browser_should_not_ask_for_does_no_harm(
    small: SmallRun, drawn: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    app = ask(open_explore("map"), **asked)
    assert not app.exception


def test_hostile_names_reach_the_browser_as_they_are_and_never_the_page(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    app = colour_by(app, "column:kind")
    assert ODD in drawn[-1]["colour"]["levels"]
    app = colour_by(app, f"gene:{NASTY}")
    assert drawn[-1]["colour"]["title"] == NASTY
    assert "<b>" not in texts(app)


# --- names given on the map ---


def test_selected_cells_are_named_renamed_and_taken_back(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    for name, cells in (("first", np.arange(20)), ("second <b>", np.arange(10, 40))):
        app = ask(app, do="name", column="mine", label=name, bits=encode(cells, N))
    colour = drawn[-1]["colour"]
    assert (colour["title"], colour["levels"], colour["counts"]) == (
        "mine",
        ["first", "second <b>"],
        [10, 30],
    )
    assert colour["missing"] == N - 40
    assert items(drawn[-1])["Annotations"][0] == "mine"
    app = ask(app, do="rename", level=0, name="other")
    assert drawn[-1]["colour"]["levels"] == ["other", "second <b>"]
    app = ask(app, do="remove", column="mine")
    assert drawn[-1]["menu"]["chosen"] == "clusters"
    app = ask(ask(app, do="undo"), do="undo")
    app = colour_by(app, "annotation:mine")
    assert drawn[-1]["colour"]["levels"] == ["first", "second <b>"]
    app = ask(app, do="undo")
    assert drawn[-1]["colour"]["counts"] == [20]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"column": "kind", "label": "T", "bits": encode(np.arange(3), N)}, "has a column called"),
        ({"column": "a/b", "label": "T", "bits": encode(np.arange(3), N)}, "slash"),
        ({"column": "mine", "label": " ", "bits": encode(np.arange(3), N)}, "needs a name"),
        ({"column": "mine", "label": "T", "bits": ""}, "No cells are selected"),
    ],
)
def test_a_name_that_cannot_be_given_is_refused_in_a_sentence(
    small: SmallRun, drawn: list[dict[str, Any]], asked: dict[str, Any], said: str
) -> None:
    object.__setattr__(small.ref, "obs_columns", ("kind", "batch"))
    app = open_explore("map")
    asks.append({"do": "name", **asked})
    app = app.run()
    assert said in " ".join(toast.value for toast in app.toast)
    assert small.analyses.annotations.columns(RUN) == []


def test_a_cluster_is_renamed_on_the_map_and_that_is_taken_back(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    app = open_explore("map")
    app = ask(app, do="rename", level=0, name="T cells")
    assert drawn[-1]["colour"]["levels"][0] == "T cells"
    ask(app, do="undo")
    assert drawn[-1]["colour"]["levels"][0] == "1"


def test_a_selection_greys_no_other_map(small: SmallRun, drawn: list[dict[str, Any]]) -> None:
    bits = encode(np.arange(9), N)
    app = open_explore("map")
    app.session_state["cell_selection"] = {RUN: (N, bits, f"map-{RUN}")}
    app = app.run()
    assert drawn[-1]["selected"] == bits
    app.session_state["cell_selection"] = {RUN: (N, bits, "another map")}
    app.run()
    assert drawn[-1]["selected"] == ""


def test_cells_named_on_the_map_are_groups_to_find_markers_of(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    small.analyses.annotations.name(RUN, np.arange(N // 3), "mine", "annotation")
    app = open_explore("markers")
    app = box(app, "Group cells by").set_value("\0own annotation").run()
    assert not app.exception
    assert "There is only one group" in texts(app)
    small.analyses.annotations.name(RUN, np.arange(N // 3, N), "rest", "annotation")
    app = app.run()
    next(button for button in app.button if button.label == "Find marker genes").click().run()
    app = app.run()
    assert not app.exception
    assert NASTY in set(app.dataframe[0].value["gene"][:6])


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
        "Batch mixing (iLISI)",
        "Same-batch neighbours (kNN)",
        "Cell-type purity (kNN)",
        "Cell-type separation (cLISI)",
    }
    assert "mixed about as well as" in texts(app)


def test_a_run_with_a_batch_key_is_compared_without_a_button(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    small.registry.update(RUN, spec=small.registry.get(RUN).spec.replace(batch_key="batch"))
    app = open_explore("integration").run()
    assert not app.exception
    assert [panel["title"] for panel in drawn[-1]["panels"]] == ["Without scVI", "With scVI"]
    assert "Batch mixing (iLISI)" in {metric.label for metric in app.metric}


@pytest.mark.parametrize("see", ["map", "integration"])
def test_for_a_projector_there_is_the_map_and_the_way_back(
    small: SmallRun, drawn: list[dict[str, Any]], see: str
) -> None:
    small.registry.update(RUN, spec=small.registry.get(RUN).spec.replace(batch_key="batch"))
    app = open_explore(see, stage="1").run()
    assert not app.exception
    assert drawn[-1]["stage"]
    assert drawn[-1]["menu"] is None
    assert not app.selectbox
    assert [link.proto.label for link in app.get("page_link")] == ["Exit presentation"]


def test_the_page_of_a_run_shows_its_map_once_it_is_there(
    small: SmallRun, drawn: list[dict[str, Any]]
) -> None:
    small.registry.update(RUN, spec=small.registry.get(RUN).spec.replace(batch_key="batch"))
    page = AppTest.from_function(_latent_page, default_timeout=60)
    assert not page.run().exception
    assert drawn == []
    for kind in ("umap", "resolution"):
        small.done(kind)
    app = page.run()
    assert not app.exception
    assert len(drawn[-1]["panels"]) == 1
    assert drawn[-1]["colour"]["title"] == "Clusters", "no column sounds like cell types"
    small.done("mixing", batch="batch")
    app = page.run()
    app.segmented_control[0].set_value("Before/after").run()
    assert [panel["title"] for panel in drawn[-1]["panels"]] == ["Without scVI", "With scVI"]
    assert drawn[-1]["colour"]["title"] == "batch"


def _latent_page() -> None:
    from backend import services
    from pages.run.latent import latent_card

    latent_card(services.current().runs.get("run-1"))


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
