"""What a report says about files of all kinds."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import _matrices, inspect_source
from backend.datasets._inspect import histogram
from backend.datasets._species import guess_species
from backend.errors import BadFile
from backend.types import DatasetReport
from tests.datasets.sample_files import counts, log1p, ref, write, write_old, write_tenx


def report_on(path, on_progress=lambda fraction, phase: None):
    return inspect_source(ref(path), on_progress)


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_the_report_is_right_whatever_the_layout(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(_matrices, "BLOCK_ENTRIES", 300)
    dense = counts(80, 50)
    dense[3] = 0
    dense[:, 8] = 0
    report = report_on(write(tmp_path / "a.h5ad", layout(dense)))
    (verdict,) = report.matrices
    assert (report.n_obs, report.n_vars, verdict.nnz) == (80, 50, np.count_nonzero(dense))
    assert report.density == pytest.approx(np.count_nonzero(dense) / dense.size)
    assert (verdict.minimum, verdict.maximum) == (0, dense.max())
    assert verdict.evidence == f"all {verdict.nnz:,} values are whole numbers from 0 to {dense.max():.0f}"
    assert report.counts_per_cell.median == np.median(dense.sum(1)[dense.sum(1) > 0])
    assert report.genes_per_cell.median == np.median((dense > 0).sum(1)[dense.sum(1) > 0])
    assert sum(report.counts_per_cell.counts) == 79
    assert report.empty_cells == 1
    assert report.genes_in_few_cells == ((dense > 0).sum(0) < 3).sum()


def test_a_report_survives_json(tmp_path):
    obs = pd.DataFrame(
        {"batch": ["a", None] * 30, "x": np.arange(60) / 7}, index=[f"c{i}" for i in range(60)]
    )
    report = report_on(write(tmp_path / "a.h5ad", counts(), obs=obs, layers={"log": log1p(counts())}))
    assert DatasetReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_every_matrix_is_judged(tmp_path):
    dense = counts()
    scaled = (dense - dense.mean(0)) / dense.std(0)
    report = report_on(write(tmp_path / "a.h5ad", scaled, layers={"log": log1p(dense)}, raw={"X": dense}))
    assert {v.where: v.verdict for v in report.matrices} == {
        "X": "scaled",
        "layers/log": "log1p",
        "raw/X": "counts",
    }
    assert report.counts == "raw/X"


def test_a_matrix_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    path = write(tmp_path / "a.h5ad", counts(), layers={"counts": sparse.csr_matrix(counts())})
    with h5py.File(path, "a") as h5:
        del h5["X"]
        h5["X"] = np.array([["text"] * 40] * 60, dtype="S")
        h5["layers/short"] = np.ones((3, 40))
    report = report_on(path)
    evidence = {v.where: v.evidence for v in report.matrices}
    assert evidence["X"] == "cannot be read: it holds text, not numbers"
    assert "it has 3 cells" in evidence["layers/short"]
    assert report.counts == "layers/counts"
    assert report.trainable


def test_a_file_without_any_matrix(tmp_path):
    path = write(tmp_path / "a.h5ad", counts())
    with h5py.File(path, "a") as h5:
        del h5["X"]
    report = report_on(path)
    assert "there is no matrix in it" in report.problems[0].message


def test_cell_ranger_files_are_understood(tmp_path):
    report = report_on(write_tenx(tmp_path / "a.h5", counts(), legacy=True))
    assert (report.counts, report.species, report.n_obs) == ("X", "human", 60)


def test_old_files_are_understood(tmp_path):
    dense = counts()
    report = report_on(write_old(tmp_path / "a.h5ad", dense, log1p(dense) - 1, ["one", "two"]))
    assert report.counts == "raw/X"
    assert report.batch_key == "batch"
    assert report.columns[0].levels == ("one", "two")


def test_names_with_markup_stay_as_they_are(tmp_path):
    obs = pd.DataFrame({"<b>batch</b>": ["*a*", "[b](c)"] * 30}, index=[f"<i>{i}" for i in range(60)])
    path = write(tmp_path / "a.h5ad", counts(), obs=obs.rename(columns={"<b>batch</b>": "<b>batch"}))
    (column,) = report_on(path).columns
    assert (column.column, column.levels) == ("<b>batch", ("*a*", "[b](c)"))


def test_broken_tables_are_refused(tmp_path):
    path = write(tmp_path / "a.h5ad", counts())
    with h5py.File(path, "a") as h5:
        del h5["var/_index"]
    with pytest.raises(BadFile):
        report_on(path)


def test_progress_rises_over_all_matrices(tmp_path, monkeypatch):
    monkeypatch.setattr(_matrices, "BLOCK_ENTRIES", 300)
    seen = []
    path = write(
        tmp_path / "a.h5ad", sparse.csr_matrix(counts()), layers={"b": counts()}, raw={"X": counts()}
    )
    report_on(path, lambda *step: seen.append(step))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert any("layers/b" in phase for _, phase in seen)


def test_the_histogram_counts_every_cell_with_something_once():
    result = histogram(np.array([0, 1, 10, 10, 1000.0]))
    assert (sum(result.counts), result.log10, result.median) == (4, True, 10.0)
    assert (result.edges[0], result.edges[-1]) == (0.0, 3.0)
    assert len(result.edges) == len(result.counts) + 1
    assert histogram(np.zeros(3)) is None


@pytest.mark.parametrize(
    ("names", "species"),
    [
        (["ENSG00000141510", "ENSG00000141511.3"], "human"),
        (["ENSMUSG00000059552"] * 3, "mouse"),
        (["GRCh38_ENSG00000141510", "mm10___ENSMUSG00000059552"], "human and mouse"),
        (["ACTB", "GAPDH", "XIST"], "human"),
        (["Actb", "Gapdh", "Xist"], "mouse"),
        (["hg19_ACTB", "hg19_GAPDH", "mm10_Actb", "mm10_Gapdh"], "human and mouse"),
        (["WBGene00000001", "WBGene00000002"], "C. elegans"),
        (["gene1", "gene2"], ""),
        ([], ""),
    ],
)
def test_the_species_is_guessed_from_names(names, species):
    assert guess_species(pd.DataFrame(index=pd.Index(names, dtype=object))) == species


def test_the_species_is_guessed_from_ids_beside_the_names():
    var = pd.DataFrame({"gene_ids": ["ENSDARG00000000001", "ENSDARG00000000002"]}, index=["a", "b"])
    assert guess_species(var) == "zebrafish"
