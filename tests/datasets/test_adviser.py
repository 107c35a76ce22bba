"""The adviser on batches: what it recommends, what it warns of, and why."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from backend.datasets._adviser import advise, batch_key

N = 600
RNG = np.random.default_rng(0)
TYPES = RNG.choice(["T cell", "B cell", "NK", "Monocyte"], N)


def table(**columns):
    return pd.DataFrame(columns, index=[f"cell{i}" for i in range(N)])


def one(obs, column):
    return next(advice for advice in advise(obs) if advice.column == column)


@pytest.mark.parametrize(
    "name",
    [
        "batch",
        "Batch",
        "batch_id",
        "sample",
        "sampleID",
        "Sample.ID",
        "donor_id",
        "orig.ident",
        "library_id",
        "patient",
        "plate",
        "assay",
        "my_batch_2020",
        "batch_label",
        "sample_annotation",
    ],
)
def test_columns_named_like_batches_are_recommended(name):
    obs = table(
        **{name: RNG.choice(["x", "y", "z"], N), "other": RNG.choice(["p", "q"], N), "cell_type": TYPES}
    )
    advice = advise(obs)
    assert (advice[0].column, advice[0].verdict) == (name, "recommended")
    assert batch_key(advice) == name


def test_nothing_is_recommended_where_no_name_tells():
    advice = advise(table(foo=RNG.choice(["p", "q"], N), cell_type=TYPES))
    assert batch_key(advice) is None
    assert advice[0].verdict == "possible"


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("barcode", [f"AAAC{i}" for i in range(N)], "name of each cell"),
        ("batch", ["only"] * N, "same value"),
        ("batch", [f"b{i // 2}" for i in range(N)], "Very many groups"),
        ("batch", [None] * N, "No cell has a value"),
        ("cell_type", TYPES, "cell types or clusters"),
        ("leiden_0.5", RNG.choice(list("0123"), N), "cell types or clusters"),
        ("CellType", TYPES, "cell types or clusters"),
        ("seurat_clusters", RNG.integers(0, 5, N), "cell types or clusters"),
        ("donor_cluster", RNG.integers(0, 5, N), "cell types or clusters"),
        ("label", TYPES, "cell types or clusters"),
        ("phase", RNG.choice(["G1", "S"], N), "cell cycle"),
        ("is_doublet", RNG.random(N) < 0.1, "quality control"),
        ("pct_mito", RNG.random(N), "continuous covariate"),
        ("n_counts", RNG.integers(500, 9000, N), "continuous covariate"),
        ("batch", np.arange(N), "Numbers the 600 cells, one each"),
    ],
)
def test_columns_that_would_harm_are_called_unsuitable(column, values, words):
    advice = one(table(**{column: values}), column)
    assert (advice.verdict, advice.score <= 0) == ("unsuitable", True)
    assert words in advice.reason


def test_a_batch_that_is_the_cell_type_in_disguise_is_not_recommended():
    sorted_into = np.where(TYPES == "T cell", "plate 1", np.where(TYPES == "B cell", "plate 2", "plate 3"))
    obs = table(plate=sorted_into, cell_type=TYPES)
    assert batch_key(advise(obs)) is None
    assert "hand in hand with cell_type" in one(obs, "plate").reason


def test_an_unnamed_copy_of_the_labels_is_unsuitable():
    obs = table(foo=[kind.lower() for kind in TYPES], cell_type=TYPES)
    assert one(obs, "foo").verdict == "unsuitable"


def test_independent_batches_are_not_called_confounded():
    obs = table(batch=RNG.choice(["a", "b"], N), cell_type=TYPES)
    assert "hand in hand" not in one(obs, "batch").reason


def test_missing_values_are_counted_in_all_their_spellings():
    values = ["a", "b", None, "nan", "", "NA"] * (N // 6)
    advice = one(table(batch=values), "batch")
    assert (advice.n_missing, advice.n_levels, advice.verdict) == (400, 2, "recommended")
    assert "400 cells have no value" in advice.reason


def test_small_groups_are_mentioned_and_cost_points():
    even = one(table(batch=["a", "b", "c"] * (N // 3)), "batch")
    uneven = one(table(batch=["a"] * (N - 4) + ["b"] * 2 + ["c"] * 2), "batch")
    assert "2 of 3 groups have fewer than 10 cells" in uneven.reason
    assert uneven.score < even.score


def test_numbered_donors_are_groups_and_scales_are_not():
    obs = table(donor=np.arange(N) % 30, time=np.arange(N) % 30, weight=RNG.random(N))
    assert {advice.column: advice.kind for advice in advise(obs)} == {
        "donor": "categorical",
        "time": "continuous",
        "weight": "continuous",
    }


def test_numbers_with_gaps_are_no_covariate():
    advice = one(table(weight=np.where(np.arange(N) < 3, np.nan, RNG.random(N))), "weight")
    assert "3 cells have no value" in advice.reason


def test_the_same_groups_twice_are_offered_once():
    obs = table(
        donor_id=["a", "b"] * (N // 2),
        donor_short=["one", "two"] * (N // 2),
        donor_age=["5y", "7y"] * (N // 2),
    )
    assert one(obs, "donor_age").reason == "Makes the same groups as donor_id; one of the two is enough."


def test_biology_is_possible_with_a_warning():
    advice = one(table(condition=RNG.choice(["ctrl", "stim"], N)), "condition")
    assert advice.verdict == "possible"
    assert "biology" in advice.reason


def test_groups_are_listed_by_size_and_as_text():
    values = ["<b>x</b>"] * 300 + [f"g{i % 20}" for i in range(300)]
    advice = one(table(batch=values), "batch")
    assert advice.levels[0] == "<b>x</b>"
    assert advice.level_counts[:2] == (300, 15)
    assert len(advice.levels) == 12


def test_a_table_without_columns_or_cells_is_no_obstacle():
    assert advise(table()) == ()
    assert advise(table(batch=["a"] * N).iloc[:0])[0].verdict == "unsuitable"


def cells(n, **columns):
    return pd.DataFrame(columns, index=[f"cell{i}" for i in range(n)])


def spread(n, n_levels, seed=0):
    """``n_levels`` groups of ``n`` cells, in no order."""
    return pd.Categorical([f"d{i}" for i in np.random.default_rng(seed).permutation(n) % n_levels])


@pytest.mark.parametrize(
    ("n", "n_levels", "verdict"),
    [
        (24_000, 40, "recommended"),
        (24_000, 300, "possible"),
        (600_000, 300, "recommended"),
        (24_000, 8_000, "unsuitable"),
    ],
)
def test_many_donors_are_judged_by_the_cells_of_each(n, n_levels, verdict):
    types = np.random.default_rng(1).choice(["T", "B"], n)
    advice = one(cells(n, donor_id=spread(n, n_levels), cell_type=types), "donor_id")
    assert advice.verdict == verdict
    if verdict == "possible":
        assert f"{n_levels} groups with {n // n_levels} cells each on average are many" in advice.reason
        assert advice.score > 0


def test_there_is_no_number_of_groups_from_which_a_column_is_something_else():
    n = 60_000
    scores = [one(cells(n, batch=spread(n, levels)), "batch").score for levels in range(180, 221, 10)]
    assert all(0 < before - after < 5 for before, after in pairwise(scores))
    labels = np.random.default_rng(0).integers(0, 220, n)
    twin = cells(
        n, batch=spread(n, 30), foo=labels.astype(str), cell_type=[f"type {code}" for code in labels]
    )
    assert "hand in hand with cell_type" in one(twin, "foo").reason


def test_donors_are_recognised_by_having_one_sex_each():
    who = np.random.default_rng(7).integers(0, 12, N)
    obs = table(who=who.astype(str), sex=np.where(who % 2, "f", "m"), cell_type=TYPES)
    advice = advise(obs)
    assert (advice[0].column, advice[0].verdict) == ("who", "recommended")
    assert advice[0].reason.startswith("Looks like donors: all cells of a group have the same sex.")
    mixed = table(who=RNG.integers(0, 12, N).astype(str), sex=RNG.choice(["f", "m"], N))
    assert one(mixed, "who").verdict == "possible"


@pytest.mark.parametrize(
    "name",
    [
        "RNA_snn_res.0.8",
        "integrated_snn_res.1",
        "leiden_res_0_5",
        "seurat_clusters",
        "scType",
        "azimuth_l2",
        "metacell",
        "wsnn_res.0.6",
    ],
)
def test_clusterings_of_seurat_and_scanpy_are_labels(name):
    obs = table(**{name: RNG.integers(0, 9, N).astype(str), "indiv": [f"{i % 8}_{i % 8}" for i in range(N)]})
    assert one(obs, name).verdict == "unsuitable"
    assert batch_key(advise(obs)) == "indiv"


@pytest.mark.parametrize(
    "name",
    ["Individual", "subject.id", "ind_cov", "PatientNumber", "embryo", "foetus", "case_id", "specimen"],
)
def test_donors_by_name_are_called_donors(name):
    advice = one(table(**{name: [f"x{i % 6}" for i in range(N)], "cell_type": TYPES}), name)
    assert advice.verdict == "recommended"
    assert advice.reason.startswith("Named like a donor")
