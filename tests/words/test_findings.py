"""What a comparison finds has a sentence a code, and what the sentence says of the cells follows from the numbers."""

from __future__ import annotations

import pytest

from backend.types import Agreement, RunBiology
from backend.words import agreement_sentences


def run(run_id: str, ari: float, label: float | None = None, mixing: float | None = None) -> RunBiology:
    return RunBiology(run_id, 8, ari, 0.416, label, None, mixing)


def said(other: RunBiology, base: RunBiology | None = None) -> str:
    (sentence,) = agreement_sentences(
        Agreement("a", (base or run("a", 1.0), other), 500, 0.03), {"a": "slow", "b": "fast"}
    )
    return sentence


@pytest.mark.parametrize(
    ("ari", "words"),
    [
        (0.8, "fast finds much the same clusters as slow"),
        (0.79, "fast finds clusters similar to those of slow, with different boundaries"),
        (0.5, "fast finds clusters similar to those of slow, with different boundaries"),
        (0.49, "fast groups the cells differently from slow"),
    ],
)
def test_how_alike_clusters_are(ari: float, words: str) -> None:
    assert said(run("b", ari)) == f"{words} (adjusted Rand index {ari:.2f}, 42 % of neighbours shared)."


@pytest.mark.parametrize(("mine", "how"), [(0.71, "as much as"), (0.73, "more than"), (0.67, "less than")])
def test_labels_and_batches_are_set_against_the_reference(mine: float, how: str) -> None:
    text = said(run("b", 0.9, mine, mine), run("a", 1.0, 0.7, 0.7))
    assert text.endswith(
        f"Cells with the same label cluster together {how} in slow. Batches are mixed {how} in slow."
    )
    assert "Batches" not in said(run("b", 0.9, mine), run("a", 1.0, 0.7, 0.7))
