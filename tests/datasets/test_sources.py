"""The files that were brought in: moved in or referenced, known by their content, never half there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backend.datasets._sources import SourceStore, content_hash, display_name, id_from
from backend.errors import BadFile, NotFound
from backend.types import DatasetReport


def container(path: Path) -> str:
    """Stands in for looking into the file: anything that begins with HDF is one."""
    if not path.read_bytes().startswith(b"HDF"):
        raise BadFile("This is not an h5ad file.")
    return "h5ad"


@pytest.fixture
def store(tmp_path: Path) -> SourceStore:
    store = SourceStore(tmp_path / "sources", container)
    store.start()
    return store


def part(tmp_path: Path, content: bytes = b"HDF cells") -> tuple[Path, str]:
    path = tmp_path / "upload.part"
    path.write_bytes(content)
    return path, id_from(hashlib.sha256(content).hexdigest())


def adopted(store: SourceStore, tmp_path: Path, name: str = "a.h5ad", content: bytes = b"HDF cells") -> str:
    path, source_id = part(tmp_path, content)
    return store.adopt(path, name, source_id, origin="upload").source_id


def some_report(source_id: str) -> DatasetReport:
    return DatasetReport(source_id, 3, 4, (), "X", 0.5, None, None, (), None, ())


def test_an_upload_moves_in_and_is_listed(store: SourceStore, tmp_path: Path) -> None:
    source = store.get(adopted(store, tmp_path))
    assert Path(source.path).read_bytes() == b"HDF cells"
    assert (source.name, source.size, source.origin) == ("a.h5ad", 9, "upload")
    assert not (tmp_path / "upload.part").exists()
    assert store.list() == [source]


def test_a_file_that_is_no_data_set_is_refused_and_removed(store: SourceStore, tmp_path: Path) -> None:
    path, source_id = part(tmp_path, b"PDF")
    with pytest.raises(BadFile):
        store.adopt(path, "a.h5ad", source_id, origin="upload")
    assert not path.exists()
    assert store.list() == []
    assert list((tmp_path / "sources").iterdir()) == []


def test_the_same_content_again_is_the_same_source(store: SourceStore, tmp_path: Path) -> None:
    assert adopted(store, tmp_path) == adopted(store, tmp_path, name="b.h5ad")
    assert [source.name for source in store.list()] == ["a.h5ad"]


def test_newest_comes_first(store: SourceStore, tmp_path: Path) -> None:
    for number in range(3):
        adopted(store, tmp_path, f"{number}.h5ad", b"HDF %d" % number)
    assert [source.name for source in store.list()] == ["2.h5ad", "1.h5ad", "0.h5ad"]


def test_a_moved_workspace_still_finds_its_files(store: SourceStore, tmp_path: Path) -> None:
    source_id = adopted(store, tmp_path)
    (tmp_path / "sources").rename(tmp_path / "elsewhere")
    moved = SourceStore(tmp_path / "elsewhere", container).get(source_id)
    assert Path(moved.path).read_bytes() == b"HDF cells"


@pytest.mark.parametrize("source_id", ["", "../x", "..", "a/b", ".tmp-1", "a\0b"])
def test_an_id_is_never_a_path(store: SourceStore, source_id: str) -> None:
    with pytest.raises(NotFound):
        store.get(source_id)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/x.h5ad", "x.h5ad"),
        ("C:\\data\\x.h5ad", "x.h5ad"),
        ("a\nb\x00.h5ad", "ab.h5ad"),
        ("", "data.h5ad"),
    ],
)
def test_names_of_files_are_only_shown(given: str, shown: str) -> None:
    assert display_name(given) == shown
    assert len(display_name("x" * 1000)) == 200


# --- files that stay where they are ---------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "mine.h5ad"
    path.write_bytes(b"HDF mine")
    return path


def test_a_referenced_file_is_not_copied_and_survives_removal(store: SourceStore, outside: Path) -> None:
    source = store.refer(outside, origin="folder")
    assert source.path == str(outside)
    assert source.source_id == id_from(content_hash(outside))
    store.remove(source.source_id)
    assert store.list() == []
    assert outside.read_bytes() == b"HDF mine"


def test_an_owned_file_goes_with_its_source(store: SourceStore, tmp_path: Path) -> None:
    source = store.get(adopted(store, tmp_path))
    store.remove(source.source_id)
    assert not Path(source.path).exists()
    with pytest.raises(NotFound):
        store.remove(source.source_id)


def test_opening_again_does_not_read_the_file_again(store: SourceStore, outside: Path) -> None:
    first = store.refer(outside, origin="folder")
    seen: list[str] = []
    assert store.refer(outside, origin="folder", on_progress=lambda share, phase: seen.append(phase)) == first
    assert seen == []


def test_a_changed_file_is_noticed_and_refused_until_opened_again(store: SourceStore, outside: Path) -> None:
    source = store.refer(outside, origin="folder")
    assert store.problem(source.source_id) is None
    outside.write_bytes(b"HDF other")
    problem = store.problem(source.source_id)
    assert problem is not None
    assert problem.code == "source_changed"
    with pytest.raises(BadFile, match="changed on disk"):
        store.verify(source.source_id)
    again = store.refer(outside, origin="folder")
    assert again.source_id != source.source_id
    assert store.verify(again.source_id) == again


def test_a_changed_file_of_the_same_size_is_noticed_too(store: SourceStore, outside: Path) -> None:
    source = store.refer(outside, origin="folder")
    outside.write_bytes(b"HDF mind")
    os.utime(outside, ns=(1, 1))
    with pytest.raises(BadFile, match="changed on disk"):
        store.verify(source.source_id)


def test_a_file_that_only_has_a_new_time_stamp_is_the_same_file(store: SourceStore, outside: Path) -> None:
    source = store.refer(outside, origin="folder")
    os.utime(outside, ns=(1, 1))
    assert store.problem(source.source_id) is not None
    assert store.verify(source.source_id) == source
    assert store.problem(source.source_id) is None


def test_a_missing_file_is_said_and_an_upload_of_it_takes_its_place(
    store: SourceStore, outside: Path, tmp_path: Path
) -> None:
    source = store.refer(outside, origin="folder")
    outside.unlink()
    with pytest.raises(BadFile, match="no longer in"):
        store.verify(source.source_id)
    assert adopted(store, tmp_path, content=b"HDF mine") == source.source_id
    assert store.problem(source.source_id) is None


# --- reports --------------------------------------------------------------------------------------


def test_a_report_survives_and_one_of_another_version_is_made_again(
    store: SourceStore, tmp_path: Path
) -> None:
    source_id = adopted(store, tmp_path)
    assert store.report(source_id) is None
    store.save_report(source_id, some_report(source_id))
    assert store.report(source_id) == some_report(source_id)
    (tmp_path / "sources" / source_id / "report.json").write_text('{"cells": 3}')
    assert store.report(source_id) is None
