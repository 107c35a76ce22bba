"""What people read is spelt right, and in British English: in ``words``, the settings, the pages and every message.

The list of misspellings and the one of American forms are those of codespell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import codespell_lib
import pytest

PROJECT = Path(__file__).parents[2]
DICTIONARIES = Path(codespell_lib.__file__).parent / "data"
# As good in British English, a term, or a colour of Streamlit.
RIGHT = {"gray"} | frozenset(
    {"program", "programs", "programmed", "disk", "disks", "practice", "license", "meter", "meters"}
)
# Of code and of titles that are quoted, by folder.
QUOTED = {
    "charts": {"center"},
    "exports": {"color", "math", "modeling", "optimization"},
}


@cache
def wrong() -> dict[str, str]:
    """Word -> how it is spelt."""
    found = {}
    for line in (DICTIONARIES / "dictionary.txt").read_text("utf-8").splitlines():
        word, _, better = line.partition("->")
        if "," not in better.rstrip(","):  # one answer: no word that may be meant
            found[word.lower()] = better.strip(",")
    for line in (DICTIONARIES / "dictionary_en-GB_to_en-US.txt").read_text("utf-8").splitlines():
        british, _, american = line.partition("->")
        for word in filter(None, (one.strip() for one in american.split(","))):
            found.setdefault(word.lower(), british)
    return {word: better for word, better in found.items() if word not in RIGHT}


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string with a space in it that is no docstring."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docs:
            continue
        if " " in node.value.strip():
            yield node.lineno, node.value


def mistakes(path: Path) -> Iterator[str]:
    fine = QUOTED.get(path.parent.name, set())
    for line, text in texts(ast.parse(path.read_text("utf-8"))):
        for word in re.findall(r"(?<![\w.{/_$`=-])[A-Za-z][a-z]+(?![\w(=/_]|\.\w)", text):
            if word.lower() in wrong() and word.lower() not in fine:
                yield f"{path.relative_to(PROJECT)}:{line}: {word}, not {wrong()[word.lower()]}"


@pytest.mark.parametrize("folder", ["backend", "pages"])
def test_every_string_is_spelt_right(folder: str) -> None:
    paths = sorted((PROJECT / folder).rglob("*.py"))
    assert not [mistake for path in paths for mistake in mistakes(path)]


@pytest.mark.parametrize(
    ("word", "right"), [("recieve", "receive"), ("canceled", "cancelled"), ("color", "colour")]
)
def test_mistakes_would_be_found(word: str, right: str) -> None:
    assert wrong()[word] == right
