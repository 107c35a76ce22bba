"""A column of any dtype becomes levels and codes, or numbers, with the same rules everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from backend.columns import Column, Role, colours, likely_labels, natural, read_column, role_of


def column(values: Any, name: str = "x") -> Column:
    return read_column(values if isinstance(values, pd.Series) else pd.Series(values), name)


def shown(found: Column) -> list[str | None]:
    return [found.levels[code] if code >= 0 else None for code in found.codes]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pd.Series(["b", "a", None]), "categorical", ["b", "a", None]),
        (pd.Series(pd.Categorical(["b", "a", None, "b"])), "categorical", ["b", "a", None, "b"]),
        (pd.Series([1.0, 2.0, np.nan]), "categorical", ["1", "2", None]),
        (pd.Series([1, 2, None], dtype="Int64"), "categorical", ["1", "2", None]),
        (pd.Series([True, False]), "boolean", ["True", "False"]),
        (pd.Series([True, None], dtype="boolean"), "boolean", ["True", None]),
        (pd.Series(pd.Categorical([True, False])), "boolean", ["True", "False"]),
        (pd.Series([True, None], dtype=object), "boolean", ["True", None]),
        (pd.Series([b"b", b"a"]), "categorical", ["b", "a"]),
        (pd.Series(["", "NA", "nan", " ", "a"]), "categorical", [None, None, None, None, "a"]),
        (pd.Series(pd.Categorical(["NA", "a"])), "categorical", [None, "a"]),
        (pd.Series(pd.Categorical([2.0, 10.0])), "categorical", ["2", "10"]),
        (pd.Series([1, "1", "2"], dtype=object), "categorical", ["1", "1", "2"]),
        (pd.Series(pd.to_datetime(["2026-01-02"])), "categorical", ["2026-01-02 00:00:00"]),
        (pd.Series([], dtype=object), "categorical", []),
        (pd.Series([None, None]), "categorical", [None, None]),
    ],
)
def test_labels_are_shown_never_codes(values: Any, kind: str, expected: list[str | None]) -> None:
    found = column(values)
    assert (found.kind, shown(found)) == (kind, expected)
    assert found.n_missing == expected.count(None)
    assert found.n_levels == len(found.levels) == len(set(expected) - {None})
    assert found.counts.sum() == len(expected) - found.n_missing


def test_levels_are_in_natural_order_and_a_stated_order_is_kept() -> None:
    assert column(["day 10", "day 2", "Day 1"]).levels == ("Day 1", "day 2", "day 10")
    assert column([10.0, 9.0, -1.0]).levels == ("-1", "9", "10")
    stages = pd.Categorical(["late", "early"], categories=["never", "early", "late"], ordered=True)
    assert column(pd.Series(stages)).levels == ("early", "late")  # no level without cells
    assert sorted(["c10", "c9b", "c9", "C", "c"], key=natural) == ["C", "c", "c9", "c9b", "c10"]


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        (np.arange(100) / 7, "x", "continuous"),
        (np.arange(100), "n_counts", "continuous"),
        (np.arange(1000) % 60, "donor", "categorical"),
        (np.arange(100_000) % 300, "donor", "categorical"),
        (np.arange(1000) % 60, "time", "continuous"),
        (np.arange(1000) % 20, "time", "categorical"),
        ([f"AAAC{i}" for i in range(100)], "barcode", "text"),
        ([f"d{i % 300}" for i in range(24_000)], "donor", "categorical"),
        ([f"d{i}" for i in range(20)], "donor", "categorical"),
    ],
)
def test_scales_groups_and_names_of_cells_are_told_apart(values: Any, name: str, kind: str) -> None:
    assert column(values, name).kind == kind


def test_numbers_stay_numbers() -> None:
    found = column([0.5, np.nan, 1.5])
    assert found.numbers is not None
    np.testing.assert_array_equal(found.numbers, [0.5, np.nan, 1.5])
    assert (found.n_missing, found.n_levels, found.levels) == (1, 2, ())


def test_numbers_chosen_as_groups_are_told_apart_by_their_decimals() -> None:
    doses = read_column(pd.Series([1.25, 0.5, np.nan, 1.5]), as_groups=True)
    assert (doses.kind, shown(doses)) == ("categorical", ["1.25", "0.5", None, "1.5"])
    assert doses.levels == ("0.5", "1.25", "1.5")


def test_levels_can_be_ordered_by_size_and_of_some_cells() -> None:
    found = column(["b", "a", "b", None, "c", "b", "c"])
    sized = found.by_size()
    assert (sized.levels, sized.counts.tolist()) == (("b", "c", "a"), [3, 2, 1])
    assert shown(sized) == shown(found)
    some = found.at(np.array([1, 3, 4]))
    assert (some.levels, shown(some), some.counts.tolist()) == (("a", "c"), ["a", None, "c"], [1, 1])


def test_colours_are_levels_by_size_or_a_scale() -> None:
    groups = colours(column(["a", "b", "b", None, "c"]), most=2)
    assert (groups.kind, groups.levels, groups.codes) == ("categorical", ("b", "a"), (1, 0, 0, -1, -1))
    scale = colours(column([0.0, 0.25, np.nan, 1.0, np.inf]))
    assert (scale.kind, scale.codes[2], scale.codes[4]) == ("continuous", -1, -1)
    assert scale.codes[0] == 0
    assert scale.codes[3] == 255
    assert scale.low < scale.high
    far = colours(
        column([*np.linspace(0, 100, 101), 1e9]), np.arange(102)
    )  # one outlier takes no colours away
    assert (far.codes[0], far.codes[50], far.codes[-1]) == (0, 126, 255)
    assert far.high == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("batch", Role.BATCH),
        ("orig.ident", Role.BATCH),
        ("batch_label", Role.BATCH),
        ("sampleID", Role.BATCH),
        ("donor_id", Role.DONOR),
        ("indiv", Role.DONOR),
        ("Individual", Role.DONOR),
        ("mouse.id", Role.DONOR),
        ("cell_type", Role.LABEL),
        ("CellType", Role.LABEL),
        ("RNA_snn_res.0.8", Role.LABEL),
        ("SCT_snn_res.1.2", Role.LABEL),
        ("seurat_clusters", Role.LABEL),
        ("leiden_r0.5", Role.LABEL),
        ("louvain", Role.LABEL),
        ("majority_voting", Role.LABEL),
        ("label", Role.LABEL),
        ("ident", Role.LABEL),
        ("sex", Role.BIOLOGY),
        ("disease_stage", Role.BIOLOGY),
        ("phase", Role.QUALITY),
        ("predicted_doublet", Role.QUALITY),
        ("foo", Role.UNKNOWN),
    ],
)
def test_names_tell_what_a_column_is(name: str, role: Role) -> None:
    assert role_of(name) is role


def test_cell_types_come_before_clusters() -> None:
    names = ["seurat_clusters", "batch", "my_annotation", "cell_type", "leiden", "n_counts"]
    assert likely_labels(names) == ["cell_type", "my_annotation", "seurat_clusters", "leiden"]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("day", ["day 10", "day 2", "day 0"], ("day 0", "day 2", "day 10")),
        (
            "embryo.time.bin",
            ["130-170", "> 650", "< 100", "100-130"],
            ("< 100", "100-130", "130-170", "> 650"),
        ),
        ("age", [12, 3, 6], ("3", "6", "12")),
        ("x", pd.Categorical(["hi", "lo", "mid"], ["lo", "mid", "hi"], ordered=True), ("lo", "mid", "hi")),
    ],
)
def test_steps_of_one_thing_follow_each_other(name: str, values: Any, expected: tuple[str, ...]) -> None:
    found = column(pd.Series(values), name)
    assert found.ordered
    assert found.levels == expected
    assert shown(found) == [str(value) for value in values]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("donor", ["d2", "d10", "d1"]),
        ("leiden", ["0", "2", "1"]),
        ("cluster", [0, 2, 1]),
        ("stage", ["egg", "adult", "larva"]),
        ("disease_stage", ["stage 1", "stage 2"]),  # two need no scale
        ("time", ["2 h", "NA of 3", "before 4 and 5", "6 days"]),
    ],
)
def test_names_and_numbers_of_things_do_not(name: str, values: Any) -> None:
    assert not column(pd.Series(values), name).ordered
