"""Data inside generated code: lists of genes and cells, short ones readable, long ones packed."""

from __future__ import annotations

import base64
import textwrap
import zlib
from collections.abc import Sequence

import numpy as np

READABLE = 300  # names; beyond, the list would bury the code
_WIDTH = 100


def genes(names: Sequence[str], positions: Sequence[int]) -> str:
    """Code that defines ``GENES``."""
    if not names:
        return packed(np.array(positions), "GENES") + "  # positions, because some genes share a name"
    if len(names) <= READABLE:
        listed = textwrap.fill(
            ", ".join(map(repr, names)), _WIDTH, initial_indent="    ", subsequent_indent="    ",
            break_long_words=False, break_on_hyphens=False,
        ) if not any(" " in name for name in names) else "\n".join(f"    {name!r}," for name in names)  # fmt: skip
        return f"GENES = [\n{listed}\n]"
    text = _text(zlib.compress("\n".join(names).encode(), 9))
    return (
        "import base64, zlib\n\n"
        f"# {len(names):,} names, packed to keep this file short; print(GENES) shows them\n"
        f'GENES = zlib.decompress(base64.b64decode("""\n{text}\n""")).decode().split("\\n")'
    )


def packed(numbers: np.ndarray, name: str) -> str:
    """Code that defines an array of whole numbers."""
    text = _text(zlib.compress(numbers.astype("<i4").tobytes(), 9))
    return (
        "import base64, zlib\n\n"
        f'{name} = np.frombuffer(zlib.decompress(base64.b64decode("""\n{text}\n""")), "<i4").astype(int)'
    )


def _text(data: bytes) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(data).decode(), _WIDTH))


def filled(columns: Sequence[str]) -> str:
    """Code that gives missing values of some obs columns the level "unknown"."""
    return f"""\
def words(column):
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():  # 1, not 1.0
        return column.map(lambda value: f"{{value:.0f}}")
    return column.astype(object).map(str)

for name in {list(columns)!r}:
    column = adata.obs[name]
    text = words(column)
    missing = column.isna() | text.str.strip().isin(["", "nan", "NaN", "NA", "N/A", "<NA>", "None", "null"])
    adata.obs[name] = pd.Categorical(text.mask(missing, "unknown"))"""


def demo_counts() -> str:
    return """\
adata = sc.datasets.pbmc68k_reduced()
raw = sparse.csr_matrix(adata.raw.X)
scale = np.repeat(adata.obs["n_counts"].to_numpy(np.float64), np.diff(raw.indptr)) / 1e4
raw.data = np.rint(np.expm1(raw.data.astype(np.float64)) * scale)
adata.obs["channel"] = [f"channel {name.rsplit('-', 1)[-1]}" for name in adata.obs_names]
adata = ad.AnnData(raw, obs=adata.obs, var=adata.var)"""
