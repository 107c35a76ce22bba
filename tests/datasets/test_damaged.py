"""Damaged matrices: each kind of damage has a sentence of its own, at once, and costs no other part of the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import inspect_source
from backend.errors import BadFile
from backend.types import DatasetReport
from tests.datasets.sample_files import counts, ref, write

Edit = Callable[[h5py.Group], Any]  # of the file, whose X is damaged
MILLIONS = 400_000_000


def report_on(path: Path) -> DatasetReport:
    return inspect_source(ref(path), lambda *_: None)


def message(report: DatasetReport) -> str:
    return next(problem.message for problem in report.problems if problem.code == "damaged_matrix")


def damaged(path: Path, edit: Edit, layout: Any = sparse.csr_matrix, **parts: Any) -> Path:
    write(path, layout(counts()), **parts)
    with h5py.File(path, "r+") as h5:
        edit(h5)
    return path


def put(h5: h5py.Group, name: str, value: Any) -> None:
    del h5[name]
    h5[name] = value


def longer_row(h5: h5py.Group, n: int) -> None:
    for key, kind in (("data", "f4"), ("indices", "i4")):
        del h5["X"][key]
        h5["X"].create_dataset(key, shape=(n,), dtype=kind, chunks=(1 << 20,), compression="gzip")
    put(h5, "X/indptr", np.r_[0, np.full(60, n, "i8")])


def never_ending_pointers(h5: h5py.Group) -> None:
    h5["X"].attrs["shape"] = np.array([2_000_000_000, 40])
    del h5["X/indptr"]
    h5["X"].create_dataset("indptr", shape=(2_000_000_001,), dtype="i8", chunks=(1 << 20,))


def more_pointers(h5: h5py.Group) -> None:
    del h5["X/indptr"]
    h5["X"].create_dataset("indptr", shape=(2_000_000_001,), dtype="i8", chunks=(1 << 20,))


def short_data(h5: h5py.Group) -> None:
    put(h5, "X/data", h5["X/data"][:-5])


def short_both(h5: h5py.Group) -> None:
    short_data(h5)
    put(h5, "X/indices", h5["X/indices"][:-5])


def falling(h5: h5py.Group) -> None:
    pointers = h5["X/indptr"][:]
    pointers[7], pointers[8] = pointers[8], pointers[7]
    h5["X/indptr"][:] = pointers


def short_pointers(h5: h5py.Group) -> None:
    pointers = h5["X/indptr"][:]
    h5["X/indptr"][:] = np.minimum(pointers, pointers[-1] - 50)


def unwritten(h5: h5py.Group) -> None:
    n = len(h5["X/data"])
    del h5["X/data"]
    h5["X"].create_dataset("data", shape=(n,), dtype="f4", chunks=(64,))


def elsewhere(value: int) -> Edit:
    def edit(h5: h5py.Group) -> None:
        h5["X/indices"][2] = value

    return edit


def broken_chunk(h5: h5py.Group) -> None:
    """Some bytes of the compressed values are others."""
    values = h5["X/data"][:]
    del h5["X/data"]
    data = h5["X"].create_dataset("data", data=values, chunks=(64,), compression="gzip")
    data.id.write_direct_chunk((64,), b"not what gzip wrote", 0)


def huge_chunks(h5: h5py.Group) -> None:
    values = h5["X/data"][:]
    del h5["X/data"]
    data = h5["X"].create_dataset(
        "data", shape=values.shape, maxshape=(None,), dtype="f4", chunks=(1 << 29,), compression="gzip"
    )
    data.id.write_direct_chunk((0,), b"a", 0)


def with_shape(shape: Any) -> Edit:
    def edit(h5: h5py.Group) -> None:
        del h5["X"].attrs["shape"]
        if shape is not None:
            h5["X"].attrs["shape"] = shape

    return edit


def dense_bomb(h5: h5py.Group) -> None:
    del h5["X"]
    h5.create_dataset("X", shape=(2_000_000_000, 40), dtype="f8", chunks=(1000, 40), compression="gzip")


def nothing(h5: h5py.Group) -> None:
    del h5["X"]
    h5["X"] = h5py.Empty("f4")


RECORDS = np.zeros((60, 40), dtype=[("a", "f4"), ("b", "f4")])

DAMAGES: dict[str, tuple[Edit, str]] = {
    "a row of millions": (
        lambda h5: longer_row(h5, MILLIONS),
        "one cell states 400,000,000 values, but there are 40 genes",
    ),
    "pointers of millions": (
        never_ending_pointers,
        "it has 2,000,000,000 cells and 40 genes, but the tables list 60 and 40",
    ),
    "more pointers than cells": (more_pointers, "2,000,000,001 row pointers (indptr), but 60 cells need 61"),
    "pointers lost": (lambda h5: put(h5, "X/indptr", h5["X/indptr"][:-3]), "it has 58 row pointers (indptr)"),
    "pointers end early": (short_pointers, "its row pointers (indptr) end at 656, but it has 706 values"),
    "pointers fall": (falling, "its row pointers (indptr) fall from"),
    "pointers begin late": (
        lambda h5: h5["X/indptr"].write_direct(np.maximum(h5["X/indptr"][:], 3)),
        "its row pointers (indptr) begin at 3 instead of 0",
    ),
    "pointers of text": (
        lambda h5: put(h5, "X/indptr", np.array([b"0"] * 61)),
        "its indptr holds no whole numbers",
    ),
    "pointers in a table": (
        lambda h5: put(h5, "X/indptr", np.zeros((61, 2), int)),
        "its indptr is no list of numbers",
    ),
    "places are fractions": (
        lambda h5: put(h5, "X/indices", h5["X/indices"][:] + 0.5),
        "its indices holds no whole numbers",
    ),
    "values lost": (short_data, "it has 701 values (data), but places for 706 (indices)"),
    "values and places lost": (short_both, "end at 706, but it has 701 values"),
    "a part lost": (lambda h5: h5["X"].__delitem__("indices"), "its indices is missing"),
    "two parts lost": (
        lambda h5: [h5["X"].__delitem__(name) for name in ("data", "indptr")],
        "its data and indptr are missing",
    ),
    "values never written": (unwritten, "nothing was ever written into it"),
    "a gene beyond the last": (
        elsewhere(40),
        "cell 1 has a value for gene number 41, but there are 40 genes",
    ),
    "a gene before the first": (elsewhere(-1), "cell 1 has a value for a gene before the first one"),
    "a broken chunk": (broken_chunk, "some of its values are damaged on disk"),
    "endless chunks": (huge_chunks, "stored in chunks of 2 GiB, far larger than the matrix"),
    "no size": (with_shape(None), "its size is not recorded"),
    "a size of one number": (with_shape(np.array([60])), "its recorded size is no pair of numbers"),
    "a negative size": (with_shape(np.array([-60, 40])), "its recorded size is no pair of numbers"),
    "another size": (with_shape(np.array([60, 41])), "it has 60 cells and 41 genes"),
    "an unknown encoding": (
        lambda h5: h5["X"].attrs.__setitem__("encoding-type", "quantum"),
        "it is stored in an unknown way (quantum)",
    ),
    "transposed": (lambda h5: put(h5, "X", counts().T), "genes in rows and cells in columns (40 x 60)"),
    "one cell short": (
        lambda h5: put(h5, "X", counts()[:-1]),
        "it has 59 cells and 40 genes, but the tables list 60 and 40",
    ),
    "one gene short": (lambda h5: put(h5, "X", counts()[:, :-1]), "it has 60 cells and 39 genes"),
    "endless cells": (dense_bomb, "it has 2,000,000,000 cells"),
    "no table": (lambda h5: put(h5, "X", np.ones(60)), "it has 1 dimension instead of two"),
    "no values": (nothing, "it is empty"),
    "text": (lambda h5: put(h5, "X", np.array([["a"] * 40] * 60, dtype="S")), "it holds text, not numbers"),
    "complex numbers": (lambda h5: put(h5, "X", counts().astype(complex)), "it holds complex numbers"),
    "records": (lambda h5: put(h5, "X", RECORDS), "it holds records or references, not numbers"),
    "a dead link": (
        lambda h5: [h5.__delitem__("X"), h5.__setitem__("X", h5py.SoftLink("/nowhere"))],
        "leads nowhere",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_each_damage_has_a_sentence_of_its_own(tmp_path: Path, kind: str) -> None:
    edit, words = DAMAGES[kind]
    began = time.monotonic()
    report = report_on(damaged(tmp_path / "a.h5ad", edit))
    assert time.monotonic() - began < 10
    said = message(report)
    assert not report.trainable
    assert said.startswith("X cannot be read: ")
    assert words in said
    assert "before normalisation" not in said
    assert said.endswith(".")


def test_no_two_damages_are_said_with_the_same_words(tmp_path: Path) -> None:
    kinds = ("pointers end early", "pointers fall", "values lost", "transposed", "a broken chunk")
    said = {kind: message(report_on(damaged(tmp_path / f"{kind}.h5ad", DAMAGES[kind][0]))) for kind in kinds}
    assert len(set(said.values())) == len(kinds)


def test_a_transposed_matrix_is_to_be_turned_not_downloaded_again(tmp_path: Path) -> None:
    said = message(report_on(damaged(tmp_path / "a.h5ad", DAMAGES["transposed"][0])))
    assert "X.T" in said
    assert "download" not in said


@pytest.mark.parametrize("kind", DAMAGES)
def test_counts_in_a_layer_survive_a_damaged_x(tmp_path: Path, kind: str) -> None:
    report = report_on(damaged(tmp_path / "a.h5ad", DAMAGES[kind][0], layers={"counts": counts()}))
    assert report.trainable
    assert report.counts == "layers/counts"
    assert next(one for one in report.matrices if one.where == "X").verdict == "unreadable"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (elsewhere(60), "gene 1 has a value for cell number 61, but there are 60 cells"),
        (falling, "at gene 8"),
        (short_pointers, "end at 656"),
    ],
)
def test_a_matrix_by_genes_is_spoken_of_by_genes(tmp_path: Path, edit: Edit, words: str) -> None:
    assert words in message(report_on(damaged(tmp_path / "a.h5ad", edit, sparse.csc_matrix)))


@pytest.mark.parametrize("seed", range(12))
def test_bytes_that_are_others_end_in_a_sentence(tmp_path: Path, seed: int) -> None:
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * 30)}, index=[f"c{i}" for i in range(60)])
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts()), obs=obs)
    content, rng = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for at in rng.integers(0, len(content), 30):
        content[at] = rng.integers(256)
    path.write_bytes(content)
    with suppress(BadFile):
        report = report_on(path)
        assert report.trainable or report.problems[0].severity == "error"
