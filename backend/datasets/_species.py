"""A cheap guess at the species from the names of the genes; an empty string where they do not tell."""

from __future__ import annotations

import re

import pandas as pd

BY_ID = {
    r"ENSG\d{11}": "human",
    r"ENSMUSG\d{11}": "mouse",
    r"ENSRNOG\d{11}": "rat",
    r"ENSDARG\d{11}": "zebrafish",
    r"ENSMMUG\d{11}": "rhesus macaque",
    r"ENSSSCG\d{11}": "pig",
    r"ENSGALG\d{11}": "chicken",
    r"WBGene\d{8}": "C. elegans",
    r"FBgn\d{7}": "fruit fly",
    r"AT[1-5CM]G\d{5}": "Arabidopsis",
    r"Y[A-P][LR]\d{3}[WC]": "yeast",
}
# The same everyday genes are written in capitals for human and with one capital for mouse and rat.
EVERYDAY = (
    "ACTB",
    "GAPDH",
    "MALAT1",
    "B2M",
    "CD4",
    "CD8A",
    "CD3E",
    "PTPRC",
    "TMSB4X",
    "FTL",
    "VIM",
    "LYZ",
    "EEF1A1",
)
SAMPLE = 5_000  # names looked at


def guess_species(var: pd.DataFrame) -> str:
    """``"human"``, ``"mouse"``, ``"human and mouse"`` ... or ``""``."""
    texts = [var.index.astype(str)]
    texts += [
        pd.Index(var[name].astype(str))
        for name in var.columns
        if not pd.api.types.is_numeric_dtype(var[name])
    ]
    for text in texts:
        step = max(1, len(text) // SAMPLE)
        found = _by_ids([str(name) for name in text[::step]])
        if found:
            return found
    return _by_symbols({re.sub(r"^(GRCh38|hg19|mm10|GRCm39)_+", "", name) for name in texts[0]})


def _by_ids(names: list[str]) -> str:
    shares = {
        species: sum(bool(re.search(rf"(?:^|_){pattern}(?:$|[._-])", name)) for name in names)
        / max(1, len(names))
        for pattern, species in BY_ID.items()
    }
    present = [species for species, share in shares.items() if share > 0.2]
    return " and ".join(present) if sum(shares.values()) > 0.5 else ""


def _by_symbols(names: set[str]) -> str:
    human = sum(name in names for name in EVERYDAY)
    mouse = sum(name.capitalize() in names for name in EVERYDAY)
    if max(human, mouse) < 2:
        return ""
    if min(human, mouse) >= 2:
        return "human and mouse"
    return "human" if human > mouse else "mouse"
