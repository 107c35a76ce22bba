"""Opening files of the server: only those inside the allowed folders, whatever links and dots are tried."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.datasets._folder import allowed_file, browse
from backend.errors import NotAllowed, NotFound


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
    for name in ("deeper", "pipe.h5ad"):
        with pytest.raises(NotFound):
            allowed_file(name, [root])
    assert "pipe.h5ad" not in [file.path for file in browse([root])]
