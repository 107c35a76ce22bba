"""One column of the cell table: its kind, levels and codes, and what its name says it is.

    column = read_column(obs["donor"], "donor")       # .kind, .levels, .codes, .numbers, .n_missing
    colours(column, cells)                            # for a map
    role_of("orig.ident"); likely_labels(names)       # batch, donor, label, biology, quality or nothing known
    gene_mask(var["feature_types"])                   # which features are genes

Everybody who turns a column into codes does it here, so that levels, their order and missing values are the same
everywhere. Importing is cheap: pandas comes with the first column.
"""

from ._column import FILLER, MOST_LEVELS, Column, as_text, colours, missing, natural, read_column
from ._roles import (
    GENES,
    KIND_COLUMNS,
    Role,
    gene_mask,
    likely_labels,
    name_score,
    plain_name,
    role_of,
    symbol_column,
)

__all__ = [
    "FILLER",
    "GENES",
    "KIND_COLUMNS",
    "MOST_LEVELS",
    "Column",
    "Role",
    "as_text",
    "colours",
    "gene_mask",
    "likely_labels",
    "missing",
    "name_score",
    "natural",
    "plain_name",
    "read_column",
    "role_of",
    "symbol_column",
]
