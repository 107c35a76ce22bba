"""The library as pages and command line use it: bring, understand, prepare once, survive a restart."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backend.datasets import DatasetLibrary, _library, _sources, open_prepared
from backend.datasets._download import Arrived, Download
from backend.errors import BadFile, BadInput, Conflict, NoSpace, NotAllowed, NotFound
from backend.jobs import JobCanceled, OnProgress
from backend.settings import Settings
from backend.types import DatasetReport, JobState, PrepareSpec, SourceRef, notice

SOON = 60.0


class FakeChild:
    """Answers like the child process, in this one, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.go = threading.Event()
        self.go.set()
        self.fail: Exception | None = None

    def __call__(
        self,
        module: str,
        request: dict[str, Any],
        log: Path,
        on_progress: OnProgress,
        canceled: threading.Event,
    ) -> dict[str, Any]:
        self.asked.append(request)
        while not self.go.wait(0.01):
            on_progress(0.5, "half way")
        if canceled.is_set():
            raise JobCanceled
        on_progress(0.5, "half way")
        if self.fail:
            raise self.fail
        if request["action"] == "inspect":
            return DatasetReport(
                request["ref"]["source_id"], 3, 4, (), "X", 0.5, None, None, (), None, ()
            ).to_dict()
        if request["action"] == "prepare":
            (Path(request["out_dir"]) / "data.h5ad").write_bytes(b"HDF prepared")
            genes = request["spec"]["n_top_genes"] or 4
            return {
                "n_obs": 3,
                "n_vars": genes,
                "nnz": 6,
                "obs_columns": ["batch"],
                "notices": [notice("empty_cells_dropped", n=1).to_dict()],
            }
        Path(request["out"]).write_bytes(b"HDF made")
        return {}

    def prepared(self) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["action"] == "prepare"]


class FakeDownload(Download):
    def __init__(self) -> None:
        super().__init__(limit=1 << 30)
        self.fetched: list[str] = []
        self.go = threading.Event()
        self.go.set()

    def fetch(self, url: str, path: Path, on_progress: OnProgress, cancel: threading.Event) -> Arrived:
        self.fetched.append(url)
        path.write_bytes(b"HDF fetched")
        while not self.go.wait(0.01):
            on_progress(0.5, "1 of 2 MB")
        return Arrived("cells.h5ad", 11, hashlib.sha256(b"HDF fetched").hexdigest())


def container(path: Path) -> str:
    if not path.read_bytes().startswith(b"HDF"):
        raise BadFile("This is not an h5ad file.")
    return "h5ad"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path / "workspace")


@pytest.fixture
def child() -> FakeChild:
    return FakeChild()


@pytest.fixture
def download() -> FakeDownload:
    return FakeDownload()


Open = Callable[..., DatasetLibrary]


@pytest.fixture
def open_library(
    settings: Settings, child: FakeChild, download: FakeDownload, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Open]:
    monkeypatch.setattr(_library, "write_demo", lambda path: path.write_bytes(b"HDF demo"))
    made = []

    def make() -> DatasetLibrary:
        library = DatasetLibrary(settings, run=child, download=download, check_container=container)
        made.append(library)
        library.start(resume=False)
        return library

    yield make
    for library in made:
        library.close()


@pytest.fixture
def library(open_library: Open) -> DatasetLibrary:
    return open_library()


def upload(library: DatasetLibrary, name: str = "pbmc.h5ad", content: bytes = b"HDF cells") -> SourceRef:
    part = library.upload_target()
    part.write_bytes(content)
    return library.adopt_upload(part, name, hashlib.sha256(content).hexdigest())


# --- starting -------------------------------------------------------------------------------------


def test_a_fresh_workspace_has_the_built_in_data_ready_to_train(settings: Settings) -> None:
    library = DatasetLibrary(settings)
    library.start()
    try:
        source = library.demo()
        assert library.sources() == [source]
        assert library.jobs() == []  # nobody asked for this work, so nobody has to dismiss it
        dataset = library.dataset(library.wait(library.ensure_demo_prepared().job_id, SOON).result_id)
        assert (dataset.n_obs, dataset.n_vars) == (700, 765)
        assert dataset.source_id == source.source_id
        report = library.report(source.source_id)
        assert report is not None
        assert report.trainable
        assert library.dataset_id(source.source_id, report.recommended) == dataset.dataset_id
        cells = open_prepared(dataset)
        assert "channel" in cells.obs
        assert cells.X.nnz == dataset.nnz
    finally:
        library.close()


def test_constructing_touches_no_disk(settings: Settings) -> None:
    DatasetLibrary(settings)
    assert not settings.workspace.exists()


def test_starting_again_changes_nothing(open_library: Open) -> None:
    first = open_library()
    upload(first)
    before = first.sources()
    assert open_library().sources() == before


def test_folders_the_user_named_are_not_made(tmp_path: Path, child: FakeChild, open_library: Open) -> None:
    named = tmp_path / "named"
    library = DatasetLibrary(Settings(tmp_path / "w", (named,)), run=child, check_container=container)
    library.start(resume=False)
    assert not named.exists()
    assert library.browse() == []
    assert (tmp_path / "w" / "sources").is_dir()


# --- bringing -------------------------------------------------------------------------------------


def test_an_upload_becomes_a_source(library: DatasetLibrary) -> None:
    source = upload(library)
    assert library.source(source.source_id) == source
    assert library.sources()[0] == source
    assert source.origin == "upload"


def test_a_broken_upload_is_refused_and_gone(library: DatasetLibrary, settings: Settings) -> None:
    with pytest.raises(BadFile):
        upload(library, content=b"%PDF")
    assert list(settings.uploads_dir.iterdir()) == []


def test_an_upload_that_cannot_fit_is_refused_at_once(library: DatasetLibrary) -> None:
    with pytest.raises(NoSpace, match="GB left"):
        library.upload_target(expected_bytes=1 << 60)


def test_a_file_of_the_allowed_folder_is_listed_and_opened_in_place(
    library: DatasetLibrary, settings: Settings
) -> None:
    (settings.workspace / "data" / "a.h5ad").write_bytes(b"HDF folder")
    (found,) = library.browse()
    job = library.wait(library.open_local(found.location).job_id, SOON)
    source = library.source(job.result_id)
    assert (source.name, source.origin, source.path) == ("a.h5ad", "folder", str(found.location))
    assert library.open_local(found.location).state is JobState.DONE  # known, so not read again
    with pytest.raises(NotAllowed):
        library.open_local("/etc/passwd")


def test_opening_a_large_file_can_be_canceled(
    library: DatasetLibrary, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = settings.workspace / "data" / "large.h5ad"
    file.write_bytes(b"HDF" + bytes(1000))
    monkeypatch.setattr(_sources, "_BLOCK", 1)
    reading, go = threading.Event(), threading.Event()

    class Digest:
        def update(self, block: bytes) -> None:
            reading.set()
            assert go.wait(SOON)

    monkeypatch.setattr(_sources, "hashlib", SimpleNamespace(sha256=Digest))
    job = library.open_local(file)
    assert reading.wait(SOON)
    library.cancel_job(job.job_id)
    go.set()
    assert library.wait(job.job_id, SOON).state is JobState.CANCELED
    assert [source.name for source in library.sources() if source.origin == "folder"] == []
    assert file.is_file()


def test_the_command_line_may_name_any_file(library: DatasetLibrary, tmp_path: Path) -> None:
    file = tmp_path / "anywhere.h5ad"
    file.write_bytes(b"HDF anywhere")
    assert library.import_file(str(file)).path == str(file)
    with pytest.raises(NotFound, match="no file"):
        library.import_file(tmp_path / "nothing.h5ad")
    (tmp_path / "text.h5ad").write_text("text")
    with pytest.raises(BadFile):
        library.import_file(tmp_path / "text.h5ad")


def test_a_link_is_fetched_into_the_library(library: DatasetLibrary, download: FakeDownload) -> None:
    url = "https://example.org/x/cells.h5ad?key=secret"
    job = library.wait(library.fetch_url(url).job_id, SOON)
    source = library.source(job.result_id)
    assert (source.name, source.origin) == ("cells.h5ad", "url")
    assert source.note == "From https://example.org/x/cells.h5ad"
    assert job.title == "Downloading cells.h5ad"
    library.fetch_url(url)
    assert len(download.fetched) == 1
    library.remove_source(source.source_id)
    library.wait(library.fetch_url(url).job_id, SOON)
    assert len(download.fetched) == 2


def test_a_canceled_download_leaves_nothing(
    library: DatasetLibrary, download: FakeDownload, settings: Settings
) -> None:
    download.go.clear()
    job = library.fetch_url("https://example.org/cells.h5ad")
    library.cancel_job(job.job_id)
    assert library.wait(job.job_id, SOON).state is JobState.CANCELED
    assert [source.origin for source in library.sources()] == ["demo"]


def test_what_is_no_link_is_refused_before_there_is_a_job(library: DatasetLibrary) -> None:
    with pytest.raises(BadInput):
        library.fetch_url("cells.h5ad")
    assert library.jobs() == []


def test_a_simulated_set_says_so_everywhere(library: DatasetLibrary, child: FakeChild) -> None:
    job = library.wait(library.simulate(100, 50).job_id, SOON)
    source = library.source(job.result_id)
    assert source.simulated
    assert source.origin == "simulated"
    assert source.name == "Simulated 100 cells x 50 genes"
    dataset = library.dataset(
        library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON).result_id
    )
    assert dataset.simulated
    asked = len(child.asked)
    assert library.simulate(100, 50).result_id == source.source_id  # the same numbers: nothing to do
    assert len(child.asked) == asked
    with pytest.raises(BadInput, match="number of cells"):
        library.simulate(1, 50)


def test_a_public_set_is_fetched_once(library: DatasetLibrary, child: FakeChild) -> None:
    chosen = library.public_sets()[0]
    source = library.source(library.wait(library.fetch_public(chosen.key).job_id, SOON).result_id)
    assert (source.name, source.origin) == (chosen.title, "public")
    assert library.fetch_public(chosen.key).state is JobState.DONE
    assert len(child.asked) == 1
    with pytest.raises(NotFound):
        library.fetch_public("nothing")


# --- understanding --------------------------------------------------------------------------------


def test_inspecting_happens_once_and_survives_a_restart(
    library: DatasetLibrary, child: FakeChild, open_library: Open
) -> None:
    source = upload(library)
    assert library.report(source.source_id) is None
    job = library.wait(library.inspect(source.source_id).job_id, SOON)
    assert job.result_id == source.source_id
    assert library.inspect(source.source_id).state is JobState.DONE
    again = open_library()
    assert again.report(source.source_id) == library.report(source.source_id)
    assert again.inspect(source.source_id).state is JobState.DONE
    assert len(child.asked) == 1


def test_an_unreadable_file_is_a_failed_job_with_the_sentence(
    library: DatasetLibrary, child: FakeChild
) -> None:
    source = upload(library)
    child.fail = BadFile("This file is damaged.")
    job = library.inspect(source.source_id)
    with pytest.raises(BadFile, match="damaged"):
        library.wait(job.job_id, SOON)
    assert library.report(source.source_id) is None


# --- preparing ------------------------------------------------------------------------------------


def test_preparing_happens_once_per_choice_and_survives_a_restart(
    library: DatasetLibrary, child: FakeChild, open_library: Open
) -> None:
    source = upload(library)
    job = library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON)
    dataset = library.dataset(job.result_id)
    assert dataset.dataset_id == library.dataset_id(source.source_id, PrepareSpec())
    assert (dataset.name, dataset.n_obs, dataset.notices) == (
        "pbmc",
        3,
        (notice("empty_cells_dropped", n=1),),
    )
    assert dataset.full_path == dataset.path
    assert Path(dataset.path).read_bytes() == b"HDF prepared"
    again = open_library()
    assert again.prepared() == [dataset]
    assert again.prepare(source.source_id, PrepareSpec()).state is JobState.DONE
    assert len(child.asked) == 1
    again.wait(again.prepare(source.source_id, PrepareSpec(drop_empty_cells=True)).job_id, SOON)
    assert len(child.asked) == 2
    assert len(again.prepared()) == 2


def test_a_gene_selection_has_all_genes_prepared_first(library: DatasetLibrary, child: FakeChild) -> None:
    source = upload(library)
    spec = PrepareSpec(counts="layers/counts", n_top_genes=2, hvg_batch_key="batch")
    few = library.dataset(library.wait(library.prepare(source.source_id, spec).job_id, SOON).result_id)
    full = library.dataset(library.dataset_id(source.source_id, PrepareSpec(counts="layers/counts")))
    assert few.full_path == full.path
    assert few.name == "pbmc, 2 genes"
    assert [request["full"] for request in child.prepared()] == [None, full.path]
    library.wait(library.prepare(source.source_id, spec.replace(n_top_genes=3)).job_id, SOON)
    assert len(child.prepared()) == 3
    library.remove_dataset(full.dataset_id)
    few = library.dataset(few.dataset_id)
    assert few.full_path == few.path


def test_selections_asked_for_at_once_share_the_preparation_of_all_genes(
    library: DatasetLibrary, child: FakeChild
) -> None:
    source = upload(library)
    child.go.clear()
    jobs = [
        library.prepare(source.source_id, PrepareSpec(n_top_genes=number)) for number in (None, 2, 3, 4, 2)
    ]
    child.go.set()
    for job in jobs:
        library.wait(job.job_id, SOON)
    assert sorted(str(request["spec"]["n_top_genes"]) for request in child.prepared()) == [
        "2",
        "3",
        "4",
        "None",
    ]


def test_preparing_that_fails_or_is_canceled_leaves_nothing(
    library: DatasetLibrary, child: FakeChild, settings: Settings
) -> None:
    source = upload(library)
    child.fail = NoSpace("The disk is full.")
    with pytest.raises(NoSpace):
        library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON)
    child.fail = None
    child.go.clear()
    job = library.prepare(source.source_id, PrepareSpec())
    library.cancel_job(job.job_id)
    assert library.wait(job.job_id, SOON).state is JobState.CANCELED
    assert list(settings.prepared_dir.iterdir()) == []
    assert library.prepared() == []


def test_a_file_that_changed_after_its_report_is_not_prepared(
    library: DatasetLibrary, tmp_path: Path
) -> None:
    file = tmp_path / "mine.h5ad"
    file.write_bytes(b"HDF mine")
    source = library.import_file(file)
    assert library.check_source(source.source_id) is None
    file.write_bytes(b"HDF something else")
    problem = library.check_source(source.source_id)
    assert problem is not None
    with pytest.raises(BadFile, match="changed on disk"):
        library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON)


def test_unfinished_work_is_taken_up_after_a_restart(
    library: DatasetLibrary, child: FakeChild, open_library: Open
) -> None:
    source = upload(library)
    child.go.clear()
    job = library.prepare(source.source_id, PrepareSpec(n_top_genes=2))
    library.close()
    child.go.set()
    again = open_library()
    again.start()
    assert again.wait(job.job_id, SOON).state is JobState.DONE
    assert again.dataset(job.job_id.removeprefix("prepare-")).n_vars == 2


# --- removing -------------------------------------------------------------------------------------


def test_removing_a_source_keeps_what_runs_use(library: DatasetLibrary) -> None:
    source = upload(library)
    job = library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON)
    library.remove_source(source.source_id)
    with pytest.raises(NotFound):
        library.source(source.source_id)
    assert Path(library.dataset(job.result_id).path).exists()
    library.remove_dataset(job.result_id)
    assert library.prepared() == []
    with pytest.raises(NotFound, match="Prepare it again"):
        library.dataset(job.result_id)


def test_a_removed_data_set_is_prepared_again_when_asked(library: DatasetLibrary, child: FakeChild) -> None:
    source = upload(library)
    for _ in range(2):
        job = library.wait(library.prepare(source.source_id, PrepareSpec()).job_id, SOON)
        library.remove_dataset(job.result_id)
    assert len(child.prepared()) == 2


def test_the_built_in_data_stays(library: DatasetLibrary) -> None:
    with pytest.raises(Conflict):
        library.remove_source(library.demo().source_id)
