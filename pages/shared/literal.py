"""Make a data value (column, gene, file name) safe inside Streamlit Markdown: it reads exactly as it is.

    st.markdown(f"Column {code(name)} has 3 levels.")     # set in the code font: the usual choice
    st.button(f"Drop {literal(name)}")                    # plain letters, for labels and titles

Backslashes alone are not enough: Streamlit replaces ``:material/x:``, ``:smile:``, ``->`` and web addresses
*after* the Markdown is parsed, so those are parted by an invisible word joiner.
"""

from __future__ import annotations

import re

_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# What is looked for in finished text: icons and emoji, arrows and dashes, addresses.
_REPLACED_LATER = re.compile(r":(?=[\w+\-/])|[-<>=~](?=[-<>=])|(?<=w)(?=\.)|@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def literal(text: object, *, limit: int = 120) -> str:
    """Escape ``text`` for use inside a Markdown string; longer than ``limit`` is cut with an ellipsis."""
    parted = _REPLACED_LATER.sub(lambda match: match[0] + _JOINER, _plain(text, limit))
    return _PUNCTUATION.sub(r"\\\1", parted)


def code(text: object, *, limit: int = 120) -> str:
    """``text`` as an inline code span."""
    plain = _plain(text, limit) or " "
    fence = "`" * (max((len(run) for run in re.findall(r"`+", plain)), default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _plain(text: object, limit: int) -> str:
    plain = _CONTROL.sub(" ", str(text)).strip()
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
