"""Opening files of the server: only those inside the allowed folders, whatever links and dots are tried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backend.datasets._folder import allowed_file, browse, named_file
from backend.errors import NotAllowed, StudioError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "allowed"
    (root / "deeper").mkdir(parents=True)
    (root / "a.h5ad").write_bytes(b"1234")
    (root / "deeper" / "b.h5").write_bytes(b"12")
    (root / "notes.txt").write_text("no data")
    (root / ".hidden.h5ad").write_bytes(b"1")
    (tmp_path / "secret.h5ad").write_bytes(b"secret")
    return root


def test_data_files_are_listed_with_size_and_relative_name(root: Path) -> None:
    found = browse([root])
    assert [(file.path, file.size) for file in found] == [("a.h5ad", 4), ("deeper/b.h5", 2)]
    assert found[1].location == root / "deeper" / "b.h5"
    assert found[0].modified > 0


def test_links_that_lead_outside_are_not_listed_and_links_inside_are(root: Path) -> None:
    (root / "out.h5ad").symlink_to(root.parent / "secret.h5ad")
    (root / "gone.h5ad").symlink_to(root / "nothing.h5ad")
    (root / "circle.h5ad").symlink_to(root / "circle.h5ad")
    (root / "outdir").symlink_to(root.parent)
    (root / "same.h5ad").symlink_to(root / "a.h5ad")
    assert [file.path for file in browse([root])] == ["a.h5ad", "deeper/b.h5", "same.h5ad"]


def test_a_missing_folder_lists_nothing(tmp_path: Path) -> None:
    assert browse([tmp_path / "nowhere"]) == []


def test_relative_and_absolute_paths_inside_open(root: Path) -> None:
    assert allowed_file("deeper/b.h5", [root]) == root / "deeper" / "b.h5"
    assert allowed_file(root / "a.h5ad", [root]) == root / "a.h5ad"


def test_the_allowed_folder_may_itself_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert allowed_file(link / "a.h5ad", [link]) == root / "a.h5ad"


@pytest.mark.parametrize(
    "path", ["../secret.h5ad", "deeper/../../secret.h5ad", "/etc/passwd", "{outside}", "a\0b"]
)
def test_paths_that_lead_outside_are_refused(root: Path, path: str) -> None:
    with pytest.raises(NotAllowed):
        allowed_file(path.format(outside=root.parent / "secret.h5ad"), [root])


def test_links_that_lead_outside_are_refused(root: Path) -> None:
    (root / "out.h5ad").symlink_to(root.parent / "secret.h5ad")
    (root / "outdir").symlink_to(root.parent)
    for path in ("out.h5ad", "outdir/secret.h5ad", root / "out.h5ad"):
        with pytest.raises(NotAllowed):
            allowed_file(path, [root])


def test_a_folder_with_a_name_that_begins_alike_is_not_inside(root: Path) -> None:
    beside = root.parent / "allowed-not"
    beside.mkdir()
    (beside / "c.h5ad").write_bytes(b"1")
    with pytest.raises(NotAllowed):
        allowed_file(beside / "c.h5ad", [root])


def test_the_answer_does_not_tell_which_files_exist_outside(root: Path) -> None:
    said = []
    for name in ("secret.h5ad", "nothing.h5ad"):
        with pytest.raises(NotAllowed) as refused:
            allowed_file(root.parent / name, [root])
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_folders_and_pipes_are_not_files(root: Path) -> None:
    os.mkfifo(root / "pipe.h5ad")
    for name, words in (("deeper", "is a folder"), ("pipe.h5ad", "is not a file")):
        with pytest.raises(StudioError, match=words):
            allowed_file(name, [root])

    assert "pipe.h5ad" not in [file.path for file in browse([root])]


# --- files that somebody names ----------------------------------------------------------------------------


def zarr(path: Path) -> None:
    path.mkdir()
    (path / ".zgroup").write_text("{}")


def zarr_3(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text("{}")


def matrix_market(path: Path) -> None:
    path.mkdir()
    for name in ("matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"):
        (path / name).write_bytes(b"")


def cell_ranger(path: Path) -> None:
    path.mkdir()
    (path / "filtered_feature_bc_matrix.h5").write_bytes(b"")


def loop(path: Path) -> None:
    path.symlink_to(path)


def two_loops(path: Path) -> None:
    other = path.parent / "other"
    path.symlink_to(other)
    other.symlink_to(path)


def dead_link(path: Path) -> None:
    path.symlink_to(path.parent / "moved.h5ad")


def beneath_a_file(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (zarr, "is a Zarr folder, not a file. In Python, anndata.read_zarr"),
        (zarr_3, "is a Zarr folder"),
        (
            matrix_market,
            'Matrix Market set (matrix.mtx and its lists). In Python, scanpy.read_10x_mtx("folder")',
        ),
        (cell_ranger, "is a folder, not a file. Bring a file in it: filtered_feature_bc_matrix.h5."),
        (Path.mkdir, "is a folder, not a file. Bring an .h5ad file"),
        (loop, "is a link that leads back to itself"),
        (two_loops, "is a link that leads back to itself"),
        (dead_link, "moved.h5ad, and there is no file"),
        (os.mkfifo, "is a pipe, not a file"),
    ],
)
def test_what_is_no_file_is_called_what_it_is(tmp_path: Path, make: Any, words: str) -> None:
    make(tmp_path / "given.h5ad")
    with pytest.raises(StudioError) as refused:
        named_file(tmp_path / "given.h5ad")
    assert words in str(refused.value)
    assert "There is no file" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~nosuchuser/x.h5ad", "There is no user nosuchuser on this computer"),
        ("/" + "x" * 5_000, "is longer than a file system allows (5,001 characters)"),
        ("/tmp/" + "d/" * 2_500, "is longer than a file system allows"),
        ("/dev/zero", "is a device, not a file"),
        ("/dev/null", "is a device, not a file"),
        ("/proc/self/mem/x", "There is no file"),
        ("a\0b", "not the name of a file"),
        ("nothing\x1b[31m.h5ad", "There is no file"),
        ("", "is a folder"),
    ],
)
def test_a_path_that_leads_to_no_file_ends_in_a_sentence(path: str, words: str) -> None:
    with pytest.raises(StudioError) as refused:
        named_file(path)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 500
    assert "\x1b" not in str(refused.value)


def test_a_named_file_is_followed_to_its_real_place(root: Path) -> None:
    (root / "link.h5ad").symlink_to(root / "a.h5ad")
    assert named_file(root / "link.h5ad") == root / "a.h5ad"


@pytest.mark.parametrize("path", ["x" * 5_000, "~nosuchuser/x.h5ad", "circle.h5ad", "/" + "x/" * 2_500])
def test_hostile_paths_on_the_page_end_in_a_sentence(root: Path, path: str) -> None:
    loop(root / "circle.h5ad")
    with pytest.raises(StudioError) as refused:
        allowed_file(path, [root])
    assert len(str(refused.value)) < 800


def test_a_zarr_folder_among_the_allowed_ones_is_called_one(root: Path) -> None:
    zarr(root / "cells.zarr")
    with pytest.raises(StudioError, match="Zarr folder"):
        allowed_file("cells.zarr", [root])
