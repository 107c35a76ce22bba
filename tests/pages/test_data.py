"""The Data page: bringing, listing, removing; what a report says, and what can be chosen and prepared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend import services
from backend.datasets import FolderFile
from backend.settings import Settings
from backend.types import JobState, PrepareSpec, Problem, Remedy, RunSpec, SourceRef, settings_of
from tests.pages.data_library import EMPTY, LOG, Library, report
from tests.pages.scene import Scene, texts


@pytest.fixture
def library(scene: Scene, tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    scene.datasets = made  # type: ignore[assignment]
    scene.settings = Settings(workspace=tmp_path)
    assert services.current() is scene  # type: ignore[comparison-overlap]
    return made


def button(app: AppTest, label: str) -> Any:
    found = [one for one in app.button if one.label == label]
    assert found, f"no button {label!r} among {[one.label for one in app.button]}"
    return found[0]


def has_button(app: AppTest, label: str) -> bool:
    return any(one.label == label for one in app.button)


def written(app: AppTest) -> str:
    assert not app.exception
    return "\n".join([texts(app), *(str(one.value) for one in app.success)]).replace("\u2060", "")


# --- what is there, and bringing more -------------------------------------------------------------


def test_files_are_listed_by_their_literal_names(scene: Scene, library: Library) -> None:
    text = written(scene.open("data"))
    assert "lung\\_\\*atlas\\* \\:material\\/delete\\:\\.h5ad" in text
    assert "900 cells × 1,500 genes" in text


def test_opening_a_file_shows_its_report(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button(key="open-lung").click().run()
    assert app.query_params["source"] in ("lung", ["lung"])
    assert "Ready for scVI" in written(app)


def test_before_a_file_is_removed_the_page_asks(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button(key="remove-lung").click().run()
    assert library.removed == []
    assert "deleted from the workspace" in written(app)


def test_before_a_prepared_set_is_removed_the_page_asks(scene: Scene, library: Library) -> None:
    made = library.finish(report().recommended)
    app = scene.open("data")
    app.button(key=f"drop-{made.dataset_id}").click().run()
    assert library.ready == [made]
    assert "cannot be resumed" in written(app)


def test_the_built_in_data_cannot_be_removed(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    assert not [one for one in app.button if one.key == "remove-demo"]


def open_from_folder(scene: Scene, library: Library) -> AppTest:
    library.files = [FolderFile("sub/a_*b*.h5ad", 5_000_000, 1.0, str(library.folder))]
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Open from folder").run()
    return next(one for one in app.button if str(one.key).startswith("open-file")).click().run()


def test_a_file_in_an_allowed_folder_is_opened_where_it_is(scene: Scene, library: Library) -> None:
    app = open_from_folder(scene, library)
    assert library.asked == [("open", "a_*b*", library.folder / "sub/a_*b*.h5ad")]
    assert app.query_params["source"] in ("lung", ["lung"])
    assert library.known == {}  # nothing is left to dismiss


def test_a_large_file_in_a_folder_is_opened_with_a_progress_bar(scene: Scene, library: Library) -> None:
    library.slow = True
    app = open_from_folder(scene, library)
    (bar,) = app.get("progress")
    assert bar.proto.text.endswith("40 % · block 2 of 5")
    ((job_id, job),) = library.known.items()
    library.known[job_id] = job.replace(state=JobState.DONE, result_id="lung")
    app.run()
    assert app.query_params["source"] in ("lung", ["lung"])


def test_a_broken_file_in_a_folder_is_refused_beside_its_button(scene: Scene, library: Library) -> None:
    library.broken = {"open-a_*b*"}
    app = open_from_folder(scene, library)
    assert "The file is incomplete" in written(app)
    assert library.known == {}


def test_an_empty_folder_says_where_to_put_files(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Open from folder").run()
    assert str(library.folder / "data") in written(app)


def test_a_refused_address_is_a_sentence(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("From a URL").run()
    app.text_input[0].set_value("http://10.0.0.1/a.h5ad")
    button(app, "Download").click().run()
    assert "is a private address" in written(app).replace("\\", "")


def test_a_simulation_shows_progress_and_opens_when_done(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Example or simulated").run()
    app.button_group(key="simulate-size").set_value("Large").run()
    button(app, "Simulate").click().run()
    assert library.asked[0][2:4] == (90_852, 20_000)
    (bar,) = app.get("progress")
    assert bar.proto.text.endswith("40 % · block 2 of 5")
    library.known["simulate-new"] = library.known["simulate-new"].replace(
        state=JobState.DONE, result_id="lung"
    )
    app.run()
    assert app.query_params["source"] in ("lung", ["lung"])


def test_work_can_be_canceled_and_a_failure_says_why(scene: Scene, library: Library) -> None:
    library.fetch_public("pbmc3k")
    app = scene.open("data")
    button(app, "Cancel").click().run()
    assert library.known["public-pbmc3k"].state is JobState.CANCELED
    why = Problem("offline", "error", "The server of *scanpy* does not answer.")
    library.known["public-pbmc3k"] = library.job("public-pbmc3k").replace(state=JobState.FAILED, problem=why)
    app.run()
    assert "The server of \\*scanpy\\* does not answer" in written(app)
    button(app, "Dismiss").click().run()
    assert library.known == {}


# --- the report -----------------------------------------------------------------------------------


def test_a_new_file_is_checked_at_once_and_once(scene: Scene, library: Library) -> None:
    library.reports.clear()
    app = scene.open("data", source="lung")
    app.run()
    assert library.asked == [("inspect", "lung")]
    library.reports["lung"] = report()
    assert "Ready for scVI" in written(app.run())


def test_a_failed_check_is_repeated_only_when_asked(scene: Scene, library: Library) -> None:
    library.reports.clear()
    app = scene.open("data", source="lung")
    why = Problem("bad_file", "error", "The file is cut off.")
    library.known["inspect-lung"] = library.job("inspect-lung").replace(state=JobState.FAILED, problem=why)
    app.run()
    assert "The file is cut off" in written(app)
    assert len(library.asked) == 1
    button(app, "Try again").click().run()
    assert len(library.asked) == 2


def test_an_address_of_a_file_that_is_gone(scene: Scene, library: Library) -> None:
    assert "no longer in the library" in written(scene.open("data", source="nothing"))


def test_matrices_are_shown_with_verdict_and_evidence(scene: Scene, library: Library) -> None:
    text = written(scene.open("data", source="lung"))
    assert "`X`  :orange-badge[:material/show_chart: log\\-normalised\\, base e]" in text
    assert "3\\.1 \\% of values are not whole numbers" in text
    assert "`layers/counts`" in text


def test_a_file_without_counts_is_refused_with_the_remedy(scene: Scene, library: Library) -> None:
    told = Problem("no_counts", "error", "Look for the file from before normalisation.")
    library.reports["lung"] = report(
        counts=None, matrices=(LOG,), problems=(told, EMPTY), counts_per_cell=None
    )
    app = scene.open("data", source="lung")
    text = written(app)
    assert "No raw counts found" in text
    assert "before normalisation" in text
    assert "empty cells" not in text
    assert not has_button(app, "Prepare")


def test_a_file_that_nothing_can_mend_does_not_ask_for_mending(scene: Scene, library: Library) -> None:
    told = Problem("too_few_genes", "error", "Only 1 gene: there is nothing to compare.")
    library.reports["lung"] = report(n_vars=1, problems=(told,))
    text = written(scene.open("data", source="lung"))
    assert "900 cells, 1 gene." in text
    assert "Load another file" in text
    assert "Resolve" not in text


def test_simulated_data_says_so(scene: Scene, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    made = SourceRef("lung", "Simulated", "/x", 1, "simulated", 1.0, simulated=True)
    monkeypatch.setattr(library, "sources", lambda: [made])
    monkeypatch.setattr(library, "source", lambda source_id: made)
    assert "Simulated, not real cells" in written(scene.open("data"))
    assert "Simulated, not real cells" in written(scene.open("data", source="lung"))


# --- choices and preparing ------------------------------------------------------------------------


def test_choices_decide_what_is_prepared(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    app.selectbox(key="counts-lung").set_value("raw/X").run()
    app.button_group(key="genes-lung").set_value("Highly variable genes").run()
    app.number_input(key="n-genes-lung").set_value(600).run()
    app.toggle(key="rare-lung").set_value(True).run()
    button(app, "Prepare").click().run()
    kind, _, plan = library.asked[-1]
    assert kind == "prepare"
    assert plan == PrepareSpec("raw/X", True, 3, False, ("donor",), 600, "donor")


def test_a_remedy_is_switched_off_and_on(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    button(app, "Drop 12 empty cells").click().run()
    assert "Almost ready" in written(app)
    assert not has_button(app, "Prepare")
    button(app, "Drop 12 empty cells").click().run()
    assert has_button(app, "Prepare")


def test_corrected_counts_are_rounded_at_the_press_of_a_button(scene: Scene, library: Library) -> None:
    remedy = Remedy("Round them", "prepare", {"round_counts": True})
    unsure = Problem("unsure_counts", "warning", "9 values of 100 are not whole.", (remedy,))
    library.reports["lung"] = report().replace(problems=(unsure,))
    app = scene.open("data", source="lung")
    assert "9 values of 100 are not whole" in written(app)
    button(app, "Round them").click().run()
    button(app, "Prepare").click().run()
    assert library.asked[-1][-1].round_counts


def test_preparing_leads_to_training_with_the_chosen_batch(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    button(app, "Prepare").click().run()
    (bar,) = app.get("progress")
    assert bar.proto.text.endswith("40 % · block 2 of 5")
    library.finish(library.asked[-1][2])
    app.run()
    assert "Ready for training" in written(app)
    assert has_button(app, "Continue to training")
    app.selectbox(key="batch-lung").set_value("").run()
    assert "Ready for training" not in written(app)  # without the batch nothing needs to be filled


def test_a_reload_finds_what_was_prepared_last(scene: Scene, library: Library) -> None:
    library.finish(report().recommended.replace(n_top_genes=700))
    app = scene.open("data", source="lung")
    assert "Ready for training" in written(app)
    assert app.number_input(key="n-genes-lung").value == 700


def test_failed_preparing_says_why_and_can_be_tried_again(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    button(app, "Prepare").click().run()
    (job_id,) = library.known
    why = Problem("no_space", "error", "The disk is full.")
    library.known[job_id] = library.known[job_id].replace(state=JobState.FAILED, problem=why)
    app.run()
    assert "The disk is full" in written(app)
    button(app, "Try again").click().run()
    assert library.known[job_id].state is JobState.WORKING


def test_preparing_that_failed_for_want_of_a_choice_offers_the_choice(scene: Scene, library: Library) -> None:
    plan = PrepareSpec("layers/counts")
    library.reports["lung"] = report(problems=(), recommended=plan, empty_cells=0)
    app = scene.open("data", source="lung")
    button(app, "Prepare").click().run()
    (job_id,) = library.known
    library.known[job_id] = library.known[job_id].replace(state=JobState.FAILED, problem=EMPTY)
    app.run()
    button(app, "Drop 12 empty cells").click().run()
    button(app, "Prepare").click().run()
    assert library.asked[-1][2] == plan.replace(drop_empty_cells=True)


def test_widgets_say_and_allow_what_the_settings_declare(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    app.button_group(key="genes-lung").set_value("Highly variable genes").run()
    number, declared = app.number_input(key="n-genes-lung"), settings_of(PrepareSpec)["n_top_genes"]
    assert (number.label, number.help) == (declared.label, declared.help)
    assert number.min == declared.ge
    assert app.selectbox(key="counts-lung").help == settings_of(PrepareSpec)["counts"].help
    assert app.selectbox(key="batch-lung").help == settings_of(RunSpec)["batch_key"].help


def test_the_memory_for_training_follows_the_genes_selected(scene: Scene, library: Library) -> None:
    def memory(app: AppTest) -> str:
        assert not app.exception
        return next(str(one.value) for one in app.metric if one.label == "Memory for training")

    library.reports["lung"] = report(
        matrices=tuple(one.replace(n_vars=30_000) for one in report().matrices), n_vars=30_000
    )
    app = scene.open("data", source="lung")
    every = memory(app)
    app.button_group(key="genes-lung").set_value("Highly variable genes").run()
    assert memory(app) != every
