"""A column as levels and codes, or as numbers: what its values are, which are missing, in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..types import CellColours
from ._roles import Role, first_number, follow_each_other, role_of

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["categorical", "continuous", "boolean", "text"]
Codes = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.float64]

WORDS_FOR_MISSING = frozenset({"", "nan", "NaN", "NA", "N/A", "<NA>", "None", "null"})
FILLER = "unknown"  # the level that missing values become where every cell needs one
FEW_NUMBERS = 20  # whole numbers with more values than this are a scale, not groups
MOST_LEVELS = 200  # levels that a list or a map still tells apart
NAMES_CELLS = 0.5  # distinct values among the cells from which a column names cells, not groups


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column for C cells."""

    name: str
    kind: Kind
    codes: Codes  # (C,): place in ``levels``, -1 where the value is missing
    levels: tuple[str, ...]  # as shown, in natural order; () of a continuous column
    counts: npt.NDArray[np.int64]  # cells of each level
    n_levels: int  # different values, also of a continuous column
    numbers: Numbers | None = None  # (C,): where the values are numbers; NaN where missing
    ordered: bool = False  # the levels follow each other: as the file says, or as days and stages do

    @property
    def n_missing(self) -> int:
        if self.kind == "continuous" and self.numbers is not None:
            return int(np.isnan(self.numbers).sum())
        return int((self.codes < 0).sum())

    @property
    def is_groups(self) -> bool:
        """Whether the values tell groups of cells apart."""
        return self.kind in ("categorical", "boolean")

    def by_size(self) -> Column:
        """The same with the most frequent level first."""
        order = np.argsort(-self.counts, kind="stable")
        place = np.empty(len(order) + 1, np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        place[-1] = -1  # where a code of -1 points to
        return replace(
            self,
            codes=place[self.codes],
            levels=tuple(self.levels[i] for i in order),
            counts=self.counts[order],
        )

    def at(self, cells: npt.NDArray[np.intp]) -> Column:
        """The same for some of the cells; levels without a cell go."""
        codes = self.codes[cells]
        counts = np.bincount(codes[codes >= 0], minlength=len(self.levels))
        used = np.flatnonzero(counts)
        place = np.full(len(counts) + 1, -1, np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return replace(
            self,
            codes=place[codes],
            levels=tuple(self.levels[i] for i in used),
            counts=counts[used],
            numbers=None if self.numbers is None else self.numbers[cells],
        )


def read_column(values: pd.Series[Any], name: str = "", *, as_groups: bool = False) -> Column:
    """``values`` of any dtype that a table of cells may have.

    With ``as_groups`` they tell groups apart whatever they look like: somebody chose them for that.
    """
    import pandas as pd

    name = name or str(values.name)
    gone = missing(values)
    numbers = _numbers(values, gone)
    boolean = _is_boolean(values)
    stated = ordered = bool(getattr(values.dtype, "ordered", False))
    if numbers is not None and not boolean:
        raw, found = pd.factorize(numbers, sort=True)
        if not as_groups and _is_scale(name, numbers, len(found)):
            none = np.full(len(values), -1, np.int32)
            return Column(name, "continuous", none, (), np.zeros(0, np.int64), len(found), numbers)
        texts = _texts_of_numbers(np.asarray(found))
        ordered = True  # by value
    elif isinstance(values.dtype, pd.CategoricalDtype):
        raw = np.where(gone, -1, values.cat.codes.to_numpy()).astype(np.int64)
        texts = as_text(pd.Series(values.cat.categories)).tolist()
    else:
        raw, found = pd.factorize(values.astype(object).mask(gone, None))
        texts = as_text(pd.Series(found, dtype=object)).tolist()
    named = [text for text in texts if text.strip() not in WORDS_FOR_MISSING]
    by_number = not ordered and follow_each_other(name, named)
    if by_number:
        order = sorted(range(len(texts)), key=lambda at: (first_number(texts[at]), natural(texts[at])))
        place = np.empty(len(order) + 1, np.int64)
        place[order], place[-1] = np.arange(len(order)), -1
        raw, texts = place[np.asarray(raw)], [texts[at] for at in order]
    codes, levels, counts = _levels(np.asarray(raw), texts, ordered or by_number)
    n_present = int(counts.sum())
    kind: Kind = "boolean" if boolean else "categorical"
    if not as_groups and len(levels) > FEW_NUMBERS and len(levels) > NAMES_CELLS * n_present:
        kind = "text"
    follows = len(levels) > 2 and (stated or by_number or (ordered and follow_each_other(name, levels)))
    return Column(name, kind, codes, levels, counts, len(levels), numbers, follows)


def _levels(
    raw: npt.NDArray[Any], texts: Sequence[str], ordered: bool
) -> tuple[Codes, tuple[str, ...], npt.NDArray[np.int64]]:
    """Codes, levels and counts; what reads the same is the same level, and one without a cell is none."""
    used = np.bincount(raw[raw >= 0], minlength=len(texts)) > 0 if len(texts) else np.zeros(0, bool)
    distinct = list(dict.fromkeys(text for text, there in zip(texts, used, strict=True) if there))
    levels = distinct if ordered else sorted(distinct, key=natural)
    place = {level: i for i, level in enumerate(levels)}
    table = np.array([*(place.get(text, -1) for text in texts), -1], dtype=np.int32)
    codes = table[raw]
    counts = np.bincount(codes[codes >= 0], minlength=len(levels)).astype(np.int64)
    return codes, tuple(levels), counts


def missing(values: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """(C,) whether the value is not there, words for it included."""
    import pandas as pd

    mask: npt.NDArray[np.bool_] = values.isna().to_numpy(dtype=bool).copy()
    if isinstance(values.dtype, pd.CategoricalDtype):
        blank = [str(level).strip() in WORDS_FOR_MISSING for level in values.cat.categories]
        mask |= np.append(np.asarray(blank, dtype=bool), False)[values.cat.codes.to_numpy()]
    elif not pd.api.types.is_numeric_dtype(values.dtype):
        mask |= values.astype(str).str.strip().isin(WORDS_FOR_MISSING).to_numpy()
    return mask


def as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """The values as words; whole numbers that only a missing value made fractional read 1, not 1.0."""
    import pandas as pd

    if pd.api.types.is_float_dtype(values.dtype):
        return pd.Series(_texts_of_numbers(values.to_numpy(dtype=np.float64, na_value=np.nan)), values.index)
    return values.astype(object).map(_text)


def natural(text: str) -> tuple[tuple[int, float, str], ...]:
    """A key to sort by: "day 2" before "day 10", whatever the case."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text.casefold())
    return (
        *((0, float(part), "") if i % 2 else (1, 0.0, part) for i, part in enumerate(parts)),
        (-1, 0.0, text),
    )


def colours(column: Column, cells: npt.NDArray[np.intp] | None = None, most: int = 250) -> CellColours:
    """The column for a map: levels, the most frequent first, or 0..255 between the 1st and 99th percentile.

    Levels beyond the ``most`` frequent have no colour of their own.
    """
    chosen = column if cells is None else column.at(cells)
    if chosen.kind == "continuous" and chosen.numbers is not None:
        known = np.isfinite(chosen.numbers)
        low, high = np.quantile(chosen.numbers[known], (0.01, 0.99)) if known.any() else (0.0, 0.0)
        scaled = (np.where(known, chosen.numbers, low) - low) / ((high - low) or 1.0) * 255
        steps = np.where(known, np.clip(np.round(scaled), 0, 255), -1).astype(int)
        return CellColours(column.name, "continuous", tuple(steps.tolist()), (), float(low), float(high))
    sized = chosen.by_size()
    codes = np.where(sized.codes < most, sized.codes, -1)
    return CellColours(column.name, "categorical", tuple(codes.tolist()), sized.levels[:most])


def _numbers(values: pd.Series[Any], gone: npt.NDArray[np.bool_]) -> Numbers | None:
    """The values where they are numbers; None of text, of categories and of dates."""
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return None
    if pd.api.types.is_object_dtype(dtype):
        kinds = ("integer", "floating", "mixed-integer-float", "decimal")
        if pd.api.types.infer_dtype(values.mask(gone, None), skipna=True) not in kinds:
            return None
        values = pd.to_numeric(values.mask(gone, None))
    elif not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
        return None
    numbers: Numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers


def _is_boolean(values: pd.Series[Any]) -> bool:
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        kinds = {type(level) for level in dtype.categories}
        return bool(kinds) and kinds <= {bool, np.bool_}
    if pd.api.types.is_bool_dtype(dtype):
        return True
    return bool(
        pd.api.types.is_object_dtype(dtype) and pd.api.types.infer_dtype(values, skipna=True) == "boolean"
    )


def _is_scale(name: str, numbers: Numbers, n_levels: int) -> bool:
    known = numbers[np.isfinite(numbers)]
    if (known != np.rint(known)).any():
        return True
    if role_of(name) in (Role.BATCH, Role.DONOR):  # donors 1 to 60
        return n_levels > max(FEW_NUMBERS, len(known) // 5)
    return n_levels > FEW_NUMBERS


def _texts_of_numbers(values: Numbers) -> list[str]:
    known = values[np.isfinite(values)]
    whole = bool((known == np.rint(known)).all())
    return [f"{v:.0f}" if whole and np.isfinite(v) else str(v) for v in values.tolist()]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
