"""Problems are sentences with a button, and only what cannot be trained is an error."""

import anndata
import numpy as np
import pandas as pd
import pytest

from backend.datasets import inspect_source, prepare_source
from backend.types import PrepareSpec
from tests.datasets.sample_files import counts, log1p, ref, write, write_tenx


def report_on(path):
    return inspect_source(ref(path), lambda fraction, phase: None)


def codes(report):
    return {problem.code: problem for problem in report.problems}


def many(n_obs=600, n_vars=250):
    return counts(n_obs, n_vars)


def test_a_clean_file_has_nothing_to_say(tmp_path):
    report = report_on(write(tmp_path / "a.h5ad", many()))
    assert report.problems == ()
    assert report.trainable
    assert report.recommended == PrepareSpec()


def test_empty_cells_come_with_a_button_and_are_preselected(tmp_path):
    dense = many()
    dense[:12] = 0
    report = report_on(write(tmp_path / "a.h5ad", dense))
    problem = codes(report)["empty_cells"]
    assert problem.message.startswith("12 of 600 cells have no counts")
    assert problem.severity == "error"  # preparing refuses them, unless they are dropped
    assert problem.remedies[0].changes == {"drop_empty_cells": True}
    assert report.recommended.drop_empty_cells
    assert report.trainable


def test_one_of_a_thing_is_said_in_the_singular(tmp_path):
    dense = many()
    dense[0] = 0
    dense[:, 0] = 0
    obs = pd.DataFrame({"batch": ["a", "b", "a"] * 200}, index=[f"c{i}" for i in range(600)])
    obs.iloc[5, 0] = None
    report = report_on(write(tmp_path / "a.h5ad", dense, obs=obs))
    said = codes(report)
    assert said["empty_cells"].message.startswith("1 of 600 cells has no counts")
    assert said["empty_cells"].remedies[0].label == "Drop 1 empty cell"
    assert said["rare_genes"].message.startswith("1 of 250 genes is seen in fewer than 3 cells. It tells")
    assert said["rare_genes"].remedies[0].label == "Drop 1 rare gene"
    assert said["missing_batch"].message.startswith("1 cell has no value in batch")


def test_rare_genes_are_dropped_by_default_only_when_many(tmp_path):
    dense = many()
    dense[:, 0] = 0
    few = report_on(write(tmp_path / "few.h5ad", dense))
    dense[:, :50] = 0
    lots = report_on(write(tmp_path / "lots.h5ad", dense))
    assert codes(few)["rare_genes"].message.startswith("1 of 250 genes")
    assert codes(few)["rare_genes"].remedies[0].changes == {"min_cells_per_gene": 3}
    assert (few.recommended.min_cells_per_gene, lots.recommended.min_cells_per_gene) == (0, 3)


@pytest.mark.filterwarnings("ignore:.*names are not unique:UserWarning")  # the very names this is about
def test_repeated_names_are_made_unique(tmp_path):
    var = pd.DataFrame(index=["MATR3"] * 2 + [f"g{i}" for i in range(248)])
    report = report_on(write(tmp_path / "a.h5ad", many(), var=var))
    assert "1 gene name is a repeat" in codes(report)["duplicate_names"].message
    assert report.recommended.make_names_unique


def test_missing_batches_are_filled(tmp_path):
    obs = pd.DataFrame({"batch": ["a", "b", None] * 200}, index=[f"c{i}" for i in range(600)])
    report = report_on(write(tmp_path / "a.h5ad", many(), obs=obs))
    problem = codes(report)["missing_batch"]
    assert problem.message.startswith("200 cells have no value in batch")
    assert problem.remedies[0].changes == {"fill_missing": ["batch"]}
    assert report.recommended.fill_missing == ("batch",)


def test_counts_in_raw_are_used(tmp_path):
    dense = many()
    report = report_on(write(tmp_path / "a.h5ad", log1p(dense), raw={"X": dense}))
    problem = codes(report)["counts_in_raw"]
    assert problem.severity == "info"
    assert "looks like log1p" in problem.message
    assert problem.remedies[0].changes == {"counts": "raw/X"}
    assert (report.counts, report.recommended.counts) == ("raw/X", "raw/X")


def test_counts_in_a_layer_are_used(tmp_path):
    dense = many()
    report = report_on(write(tmp_path / "a.h5ad", log1p(dense), layers={"counts": dense}))
    assert codes(report)["counts_in_layer"].remedies[0].label == "Use layers/counts"
    assert report.counts == "layers/counts"


def test_the_layer_called_counts_is_preferred_among_equals(tmp_path):
    dense = many()
    report = report_on(write(tmp_path / "a.h5ad", dense, layers={"counts": dense, "spliced": dense + 1}))
    assert report.counts == "layers/counts"
    assert "layers/counts and X hold the same counts" in codes(report)["same_counts"].message
    assert codes(report)["other_counts"].remedies[0].changes == {"counts": "layers/spliced"}


def test_counts_come_before_corrected_counts(tmp_path):
    dense = many()
    corrected = np.where(np.arange(250) % 4 == 0, dense * 0.93, dense)
    report = report_on(write(tmp_path / "a.h5ad", corrected, raw={"X": dense}))
    assert report.counts == "raw/X"


def test_corrected_counts_alone_are_used_with_a_warning(tmp_path):
    dense = many()
    rng = np.random.default_rng(0)
    corrected = np.where(rng.random(dense.shape) < 0.2, dense * rng.uniform(0.5, 0.99, dense.shape), dense)
    report = report_on(write(tmp_path / "a.h5ad", corrected))
    assert report.trainable
    assert codes(report)["unsure_counts"].severity == "warning"


def test_a_log_normalised_file_is_refused_with_what_to_do(tmp_path):
    report = report_on(write(tmp_path / "a.h5ad", log1p(many())))
    problem = codes(report)["no_counts"]
    assert (report.counts, report.trainable, problem.severity) == (None, False, "error")
    for words in (
        "not whole numbers",
        "looks like log1p, base e",
        'layers["counts"]',
        "Seurat",
        "Cell Ranger",
    ):
        assert words in problem.message


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "missing (NaN)"), (np.inf, "infinite"), (-3, "negative")]
)
def test_impossible_values_are_located(tmp_path, value, words):
    dense = many()
    dense[[5, 6], 7] = value
    problem = codes(report_on(write(tmp_path / "a.h5ad", dense)))["bad_values"]
    assert problem.severity == "error"
    assert f"2 values are {words}, the first in cell cell5, gene gene7" in problem.message


def test_too_few_cells_cannot_be_trained_and_few_are_warned_of(tmp_path):
    assert codes(report_on(write(tmp_path / "a.h5ad", counts(6, 30))))["too_few_cells"].severity == "error"
    assert codes(report_on(write(tmp_path / "b.h5ad", counts(60, 30))))["few_cells"].severity == "warning"


@pytest.mark.parametrize("shape", [(0, 20), (20, 0)])
def test_files_without_cells_or_genes(tmp_path, shape):
    report = report_on(write(tmp_path / "a.h5ad", np.zeros(shape, np.float32)))
    assert [problem.code for problem in report.problems] == ["no_cells" if shape[0] == 0 else "no_genes"]
    assert not report.trainable


def test_a_file_of_zeros_has_no_counts(tmp_path):
    report = report_on(write(tmp_path / "a.h5ad", np.zeros((20, 20), np.float32)))
    assert "all values are zero" in codes(report)["no_counts"].message


def test_huge_whole_numbers_are_questioned(tmp_path):
    dense = many().astype(np.int64)
    dense[0, 0] = 2**25
    report = report_on(write(tmp_path / "a.h5ad", dense))
    assert report.trainable
    assert "33,554,432" in codes(report)["huge_counts"].message


def test_features_that_are_no_genes_are_mentioned(tmp_path):
    kinds = ["Gene Expression"] * 240 + ["Antibody Capture"] * 10
    report = report_on(write_tenx(tmp_path / "a.h5", many(), kinds=kinds))
    assert "10 other features" in codes(report)["other_features"].message
    assert report.n_vars == 240


def test_several_genomes_of_an_old_cell_ranger_file(tmp_path):
    write_tenx(tmp_path / "a.h5", many(600, 30), legacy=True, genome="hg19")
    write_tenx(tmp_path / "a.h5", many(), legacy=True, genome="mm10")
    report = report_on(tmp_path / "a.h5")
    assert "2 genomes" in codes(report)["other_genomes"].message
    assert report.n_vars == 250


def test_selecting_genes_is_offered_for_many_and_proposed_for_very_many_or_more_than_cells(tmp_path):
    obs = pd.DataFrame({"batch": ["a", "b"] * 20}, index=[f"c{i}" for i in range(40)])
    wide = report_on(write(tmp_path / "a.h5ad", counts(40, 5_000), obs=obs))
    wider = report_on(write(tmp_path / "b.h5ad", counts(40, 26_000), obs=obs))
    change = {"n_top_genes": 4000, "hvg_batch_key": "batch"}
    assert codes(wide)["gene_selection"].remedies[0].changes == change
    assert codes(wide)["gene_selection"].message.startswith("There are fewer cells (40) than genes (5,000)")
    assert (wide.recommended.n_top_genes, wide.recommended.hvg_batch_key) == (4000, "batch")
    tall = report_on(write(tmp_path / "c.h5ad", counts(4_200, 4_100)))
    assert codes(tall)["gene_selection"].remedies  # offered
    assert tall.recommended.n_top_genes is None
    assert (wider.recommended.n_top_genes, wider.recommended.hvg_batch_key) == (4000, "batch")


def test_a_table_that_lies_on_its_side_is_noticed(tmp_path):
    obs = pd.DataFrame(index=[f"ENSG{i:011d}" for i in range(600)])
    report = report_on(write(tmp_path / "a.h5ad", many(), obs=obs))
    assert "wrong way round" in codes(report)["transposed"].message


def test_errors_come_first(tmp_path):
    dense = counts(6, 30)
    dense[0] = 0
    severities = [problem.severity for problem in report_on(write(tmp_path / "a.h5ad", dense)).problems]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)


@pytest.mark.filterwarnings("ignore:.*names are not unique:UserWarning")  # one of the things to mend
def test_what_is_recommended_can_be_prepared(tmp_path):
    """Everything wrong at once: the recommended choices mend it all."""
    dense = many()
    dense[:5] = 0
    dense[:, :20] = 0
    obs = pd.DataFrame(
        {"sample": ["s1", None, "s2"] * 200}, index=["same", "same"] + [f"c{i}" for i in range(598)]
    )
    var = pd.DataFrame(index=["twice", "twice"] + [f"g{i}" for i in range(248)])
    path = write(tmp_path / "a.h5ad", log1p(dense + 1), obs=obs, var=var, layers={"counts": dense})
    report = report_on(path)
    assert report.trainable
    (tmp_path / "out").mkdir()
    facts = prepare_source(ref(path), report.recommended, tmp_path / "out", lambda *_: None)
    adata = anndata.read_h5ad(tmp_path / "out/data.h5ad")
    assert (facts["n_obs"], facts["n_vars"]) == (595, 230)
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert not adata.obs["sample"].isna().any()
    assert (adata.X.sum(axis=1) > 0).all()
