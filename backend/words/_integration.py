"""What the numbers of batch mixing say, before scVI and with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SAME = 0.05  # a smaller change of the mixing is none
APART = 0.03  # a smaller change of the separation of labels is none
MIXED = 0.85  # an entropy above this is already well mixed


def integration_sentences(
    facts: Mapping[str, Any],
    batch: str | None,
    label: str | None,
    shown: Callable[[str], str] = "“{}”".format,
) -> list[str]:
    """``facts`` of the analysis ``mixing``; ``shown`` makes a column's name part of a sentence."""
    before, after, said = facts["before"], facts["after"], []
    if batch is not None:
        gain = after["entropy"] - before["entropy"]
        if gain > SAME:
            said.append(f"scVI improves the mixing of {shown(batch)}.")
        elif gain < -SAME:
            said.append(f"With scVI, {shown(batch)} is mixed less well than without.")
        else:
            said.append(f"{shown(batch)} is mixed about as well as without scVI.")
        if before["entropy"] > MIXED:
            said.append("The batches were already well mixed.")
    if label is not None:
        gain = after["same_label"] - before["same_label"]
        if gain > APART:
            said.append(f"The groups of {shown(label)} are better separated than without scVI.")
        elif gain < -APART:
            said.append(
                f"The groups of {shown(label)} are less well separated: check whether cell types were merged."
            )
        else:
            said.append(f"The separation of {shown(label)} is about the same.")
    if batch is not None and label is not None:
        said.append(
            "If some cell types occur in one batch only, perfect mixing is neither possible nor desirable."
        )
    return said
