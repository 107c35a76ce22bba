"""Data values stay text: whatever a file calls its columns, a page shows those letters."""

import re

import pytest

from pages.shared.literal import code, literal


def seen(markdown: str) -> str:
    """What is left of escaped Markdown once it is parsed and the invisible joiners are not counted."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


@pytest.mark.parametrize(
    "name",
    [
        "batch",
        "**bold** _it_",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        ":material/delete:",
        ":red[no]",
        ":smile:",
        "$x^2$",
        "1. item",
        "# heading",
        "a -> b -- c",
        "www.example.com",
        "https://example.com/x?a=1",
        "me@example.com",
        "`tick`",
        "back\\slash",
    ],
)
def test_every_letter_is_shown_and_nothing_is_left_to_interpret(name):
    escaped = literal(name)
    assert seen(escaped) == name
    unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", escaped)
    assert not re.search(r"[!-/:-@\[-`{-~]", unescaped)


@pytest.mark.parametrize(
    "text", [":material/delete:", ":smile:", "->", "--", "https://a.b", "www.a.b", "me@a.b"]
)
def test_patterns_that_streamlit_replaces_after_parsing_are_parted(text):
    assert "\u2060" in literal(text)


def test_line_breaks_and_direction_marks_cannot_leave_the_line():
    assert literal("a\n\n# b\u202ec") == "a \\# b c"


def test_long_names_are_cut():
    assert literal("x" * 500).endswith("…")
    assert len(code("x" * 500)) < 130


def test_code_keeps_backticks():
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("batch") == "`batch`"
