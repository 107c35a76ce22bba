"""Every notice that the program makes has a sentence, and nothing else does."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from backend.datasets._seurat import Way
from backend.types import DatasetRef, Notice, PrepareSpec, find_notice, notice
from backend.words import SENTENCES, sentence

BACKEND = Path(__file__).parents[2] / "backend"
SPREAD = {"genes_selected": {field.name for field in fields(Way)}}  # given as **: what it holds


def made() -> Iterator[tuple[str, set[str], str]]:
    """Code, names of the parameters and place of each notice that the source makes."""
    for path in sorted(BACKEND.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "notice" and path.parent.name != "types":
                where = f"{path.relative_to(BACKEND)}:{node.lineno}"
                (code,) = node.args
                assert isinstance(code, ast.Constant), f"{where}: a code is written out"
                names = {word.arg for word in node.keywords if word.arg} - {"severity"}
                if any(word.arg is None for word in node.keywords):
                    names |= SPREAD[code.value]
                yield code.value, names, where


MADE = list(made())


@pytest.mark.parametrize(("code", "names", "where"), MADE, ids=[f"{code}-{where}" for code, _, where in MADE])
def test_each_notice_has_a_sentence_and_its_parameters(code: str, names: set[str], where: str) -> None:
    assert code in SENTENCES, f"{where}: words says nothing of {code}"
    assert names == set(inspect.signature(SENTENCES[code]).parameters)


def test_no_sentence_is_left_of_a_notice_that_nobody_makes() -> None:
    assert set(SENTENCES) - {code for code, _, _ in MADE} == {"text"}


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize("n", [1, 2])
def test_a_sentence_is_one(code: str, n: int) -> None:
    examples = {
        "int": n,
        "float": 1e9,
        "str": "some",
        "bool": True,
        "list[str]": ["a"] * n,
        "list[int]": [128] * n,
    }
    parameters = inspect.signature(SENTENCES[code]).parameters.values()
    said = SENTENCES[code](**{one.name: examples[one.annotation] for one in parameters})
    if code != "text":
        assert said[0].isupper() or said[0].isdigit()
        assert said.endswith(".")
    assert f"{n} " not in said or ("1 cells" not in said and "2 cell " not in said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (notice("empty_cells_dropped", n=1234), "1,234 empty cells were dropped."),
        (notice("genes_dropped", n=1, min_cells=3), "1 gene detected in fewer than 3 cells was dropped."),
        (
            notice(
                "genes_selected",
                n=2000,
                method="seurat_v3",
                per_batch=False,
                fell_back=True,
                batches=0,
                wider_fits=0,
                left_out=0,
            ),
            "2,000 highly variable genes were selected by seurat_v3; the curve fit per batch failed, as it does when "
            "batches are small.",
        ),
        (
            notice("sizes_left_out", sizes=(631, 1024), cells=630),
            "Minibatch sizes 631 and 1,024 are left out: there are only 630 cells to train on.",
        ),
        (Notice("from_a_newer_version", {"n": 1}), "From a newer version."),
        (Notice("empty_cells_dropped", {"n": "many"}), "Empty cells dropped."),
    ],
)
def test_what_is_said(given: Notice, said: str) -> None:
    assert sentence(given) == said


def test_a_notice_goes_to_json_and_back_and_is_found_by_its_code() -> None:
    notices = (notice("no_gpu"), notice("unreadable_left_out", severity="warning", names=("obs/a", "uns/b")))
    ref = DatasetRef("d", "s", "name", "path", 1, 1, 1, PrepareSpec(), notices=notices)
    assert DatasetRef.from_dict(ref.to_dict()) == ref
    assert find_notice(ref.notices, "unreadable_left_out") == notices[1]
    assert find_notice(ref.notices, "genes_selected") is None
    assert len({*notices, notice("no_gpu")}) == 2
