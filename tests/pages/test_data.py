"""The Data page: what a report says, what can be chosen, and what stands in the way of training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend import services
from backend.dataset_charts import histogram, short
from backend.datasets._folder import FolderFile
from backend.datasets._public import PublicSet
from backend.errors import NotAllowed, NotFound
from backend.settings import Settings
from backend.types import (
    ColumnAdvice,
    DatasetRef,
    DatasetReport,
    Histogram,
    Job,
    JobState,
    MatrixVerdict,
    PrepareSpec,
    Problem,
    Remedy,
    SourceRef,
)
from pages.components.dataset_plan import blocking, can_prepare, in_words, is_applied, toggle, with_batch
from tests.pages.scene import Scene, texts

NAME = "lung_*atlas* :material/delete:.h5ad"
DROP = Remedy("Drop 12 empty cells", "prepare", {"drop_empty_cells": True})
FILL = Remedy("Fill donor", "prepare", {"fill_missing": ["donor"]})
EMPTY = Problem("empty_cells", "warning", "12 of 900 cells have no counts.", (DROP,))
LOG = MatrixVerdict(
    "X", "log1p", "3.1 % of values are not whole numbers", 900, 1500, 9, 0, 8.4, 0.0, "CSR", "e"
)
COUNTS = MatrixVerdict(
    "layers/counts", "counts", "all values are whole numbers", 900, 1500, 9, 0, 40, 1.0, "CSR", usable=True
)
RAW = MatrixVerdict("raw/X", "counts", "all whole", 900, 2000, 9, 0, 40, 1.0, "CSR", usable=True)
DONOR = ColumnAdvice("donor", 85, 3, 4, "recommended", "Named like a batch.", ("a_*b*", "b", "c"), (1, 1, 1))
LABEL = ColumnAdvice("cell_type", -5, 8, 0, "unsuitable", "Looks like cell types.")


def report(**changes: Any) -> DatasetReport:
    plain = DatasetReport(
        source_id="lung",
        n_obs=900,
        n_vars=1500,
        matrices=(LOG, COUNTS, RAW),
        counts="layers/counts",
        density=0.1,
        counts_per_cell=Histogram((2.0, 2.5, 3.0), (3, 4), 400.0, log10=True),
        genes_per_cell=Histogram((0.0, 100.0, 200.0), (3, 4), 120.0),
        columns=(DONOR, LABEL),
        batch_key="donor",
        problems=(EMPTY,),
        empty_cells=12,
        genes_in_few_cells=7,
        recommended=PrepareSpec("layers/counts", drop_empty_cells=True, fill_missing=("donor",)),
    )
    return plain.replace(**changes)


@dataclass
class Library:
    """A library of one uploaded file and the built-in one; preparing is done when the test says so."""

    folder: Path
    reports: dict[str, DatasetReport] = field(default_factory=lambda: {"lung": report()})
    known: dict[str, Job] = field(default_factory=dict)
    ready: list[DatasetRef] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    files: list[FolderFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def sources(self) -> list[SourceRef]:
        lung = SourceRef("lung", NAME, "/x/lung.h5ad", 9_000_000, "upload", time.time())
        return [one for one in (lung, self.demo()) if one.source_id not in self.removed]

    def demo(self) -> SourceRef:
        return SourceRef("demo", "PBMC", "/x/demo.h5ad", 1_000_000, "demo", 1.0, note="Real cells.")

    def source(self, source_id: str) -> SourceRef:
        for one in self.sources():
            if one.source_id == source_id:
                return one
        raise NotFound("This data set is no longer in the library.")

    def check_source(self, source_id: str) -> None:
        return None

    def report(self, source_id: str) -> DatasetReport | None:
        return self.reports.get(source_id)

    def remove_source(self, source_id: str) -> None:
        self.removed.append(source_id)

    def jobs(self) -> list[Job]:
        return list(self.known.values())

    def job(self, job_id: str) -> Job:
        if job_id not in self.known:
            raise NotFound("This job is no longer known.")
        return self.known[job_id]

    def cancel_job(self, job_id: str) -> None:
        self.known[job_id] = self.known[job_id].replace(state=JobState.CANCELED)

    def dismiss_job(self, job_id: str) -> None:
        del self.known[job_id]

    def inspect(self, source_id: str) -> Job:
        return self._begin("inspect", source_id)

    def prepare(self, source_id: str, plan: PrepareSpec) -> Job:
        return self._begin("prepare", self.dataset_id(source_id, plan), plan)

    def simulate(self, n_obs: int, n_vars: int, **more: Any) -> Job:
        return self._begin("simulate", "new", n_obs, n_vars, more)

    def fetch_url(self, url: str) -> Job:
        if "10.0.0.1" in url:
            raise NotAllowed("10.0.0.1 is a private address.")
        return self._begin("fetch", url)

    def fetch_public(self, key: str) -> Job:
        return self._begin("public", key)

    def public_sets(self) -> list[PublicSet]:
        return [PublicSet("pbmc3k", "PBMC 3k", "Blood cells.", 5_900_000, 2700, "scanpy")]

    def browse(self) -> list[FolderFile]:
        return self.files

    def open_local(self, path: Path) -> SourceRef:
        self.asked.append(("open", path))
        return self.source("lung")

    def dataset_id(self, source_id: str, plan: PrepareSpec) -> str:
        return f"{source_id}-{abs(hash(plan))}"

    def prepared(self) -> list[DatasetRef]:
        return self.ready

    def finish(self, plan: PrepareSpec, source_id: str = "lung") -> DatasetRef:
        ref = DatasetRef(self.dataset_id(source_id, plan), source_id, "lung", "/x", 888, 1500, 9, plan)
        self.ready.append(ref)
        return ref

    def _begin(self, kind: str, *what: Any) -> Job:
        self.asked.append((kind, *what))
        job = Job(f"{kind}-{what[0]}", kind, f"Working on {NAME}", JobState.WORKING, 1.0, 0.4, "block 2 of 5")
        self.known[job.job_id] = job
        return job


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
    assert "This can be trained on" in written(app)


def test_before_a_file_is_removed_the_page_asks(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button(key="remove-lung").click().run()
    assert library.removed == []
    assert "deleted from the workspace" in written(app)


def test_the_built_in_data_cannot_be_removed(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    assert not [one for one in app.button if one.key == "remove-demo"]


def test_a_file_in_an_allowed_folder_is_opened_where_it_is(scene: Scene, library: Library) -> None:
    library.files = [FolderFile("sub/a_*b*.h5ad", 5_000_000, 1.0, str(library.folder))]
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Open from folder").run()
    next(one for one in app.button if str(one.key).startswith("open-file")).click().run()
    assert library.asked == [("open", library.folder / "sub/a_*b*.h5ad")]
    assert app.query_params["source"] in ("lung", ["lung"])


def test_an_empty_folder_says_where_to_put_files(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Open from folder").run()
    assert str(library.folder / "data") in written(app)


def test_a_refused_address_is_a_sentence(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("From the web").run()
    app.text_input[0].set_value("http://10.0.0.1/a.h5ad")
    button(app, "Fetch").click().run()
    assert "is a private address" in written(app).replace("\\", "")


def test_a_simulation_shows_progress_and_opens_when_done(scene: Scene, library: Library) -> None:
    app = scene.open("data")
    app.button_group(key="data-way").set_value("Built in or simulated").run()
    app.button_group(key="simulate-size").set_value("Large").run()
    button(app, "Simulate").click().run()
    assert library.asked[0][2:4] == (90_852, 20_000)
    assert [str(one.proto.text) for one in app.get("progress")] == ["40% · block 2 of 5"]
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
    assert "This can be trained on" in written(app.run())


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
    assert "cannot be trained on" in text
    assert "before normalisation" in text
    assert "empty cells" not in text
    assert not has_button(app, "Prepare")


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
    app.button_group(key="genes-lung").set_value("Most variable genes").run()
    app.number_input(key="n-genes-lung").set_value(600).run()
    app.toggle(key="rare-lung").set_value(True).run()
    button(app, "Prepare").click().run()
    kind, _, plan = library.asked[-1]
    assert kind == "prepare"
    assert plan == PrepareSpec("raw/X", True, 3, False, ("donor",), 600, "donor")


def test_a_remedy_is_switched_off_and_on(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    button(app, "Drop 12 empty cells").click().run()
    assert "Nearly there" in written(app)
    assert not has_button(app, "Prepare")
    button(app, "Drop 12 empty cells").click().run()
    assert has_button(app, "Prepare")


def test_preparing_leads_to_training_with_the_chosen_batch(scene: Scene, library: Library) -> None:
    app = scene.open("data", source="lung")
    button(app, "Prepare").click().run()
    assert [str(one.proto.text) for one in app.get("progress")] == ["40% · block 2 of 5"]
    library.finish(library.asked[-1][2])
    app.run()
    assert "Ready to train" in written(app)
    assert has_button(app, "Go on to training")
    app.selectbox(key="batch-lung").set_value("").run()
    assert "Ready to train" not in written(app)  # without the batch nothing needs to be filled


def test_a_reload_finds_what_was_prepared_last(scene: Scene, library: Library) -> None:
    library.finish(report().recommended.replace(n_top_genes=700))
    app = scene.open("data", source="lung")
    assert "Ready to train" in written(app)
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


# --- the plan, without widgets --------------------------------------------------------------------


@pytest.mark.parametrize(
    "remedy", [DROP, FILL, Remedy("", "prepare", {"n_top_genes": 9, "hvg_batch_key": "a"})]
)
def test_a_remedy_toggled_twice_changes_nothing(remedy: Remedy) -> None:
    once = toggle(PrepareSpec(), remedy)
    assert is_applied(once, remedy)
    assert toggle(once, remedy) == PrepareSpec()


def test_filling_one_column_keeps_the_others() -> None:
    plan = toggle(PrepareSpec(fill_missing=("site",)), FILL)
    assert plan.fill_missing == ("site", "donor")
    assert toggle(plan, FILL).fill_missing == ("site",)


def test_what_blocks() -> None:
    assert can_prepare(report(), report().recommended)
    assert blocking(report(), PrepareSpec("layers/counts")) == [EMPTY]
    assert not can_prepare(report(), PrepareSpec("X", drop_empty_cells=True))


def test_the_batch_brings_its_gaps_along() -> None:
    plan = with_batch(report(), PrepareSpec(n_top_genes=5), None, "donor")
    assert (plan.fill_missing, plan.hvg_batch_key) == (("donor",), "donor")
    assert with_batch(report(), plan, "donor", None) == PrepareSpec(n_top_genes=5)


def test_the_plan_in_words() -> None:
    plan = PrepareSpec("layers/counts", drop_empty_cells=True)
    assert in_words(report(), plan) == "888 cells and all 1,500 genes"
    assert in_words(report(), plan.replace(counts="raw/X")) == "888 cells and all 2,000 genes"
    assert in_words(report(), plan.replace(n_top_genes=600)) == "888 cells and the 600 most variable genes"


# --- the two figures ------------------------------------------------------------------------------


def test_logarithmic_bins_are_labelled_with_values() -> None:
    data = Histogram((2.0, 2.5, 3.0, 3.5, 4.0), (1, 5, 3, 1), 900.0, log10=True)
    figure = histogram(data, of="counts")
    assert list(figure.data[0].y) == [1, 5, 3, 1]
    assert "1,000" in figure.layout.xaxis.ticktext
    assert figure.layout.annotations[0].text == "median 900"


@pytest.mark.parametrize(
    "edges", [(2.0, 2.1, 2.2), (0.0, 0.0001, 0.0002), (-1.0, 0.0, 5.0), (2.69, 2.7, 2.71), (0.0, 0.5, 0.9)]
)
def test_any_range_gets_a_figure(edges: tuple[float, ...]) -> None:
    figure = histogram(Histogram(edges, (1, 2), 3.0, log10=True), of="genes")
    assert len(figure.layout.xaxis.tickvals) == len(figure.layout.xaxis.ticktext)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (3.5, "3.5"), (1234.4, "1,234"), (52_000, "52k"), (1.5e6, "1.5M")]
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text
