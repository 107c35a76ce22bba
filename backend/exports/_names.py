"""Names that come from data, made fit for where they are shown: one line, no control characters, not too long."""

from __future__ import annotations

import re

# line breaks, other control characters, and the marks that turn the direction of writing around
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")


def one_line(text: object, limit: int = 200) -> str:
    line = " ".join(_UNSEEN.sub(" ", str(text)).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def spreadsheet_text(value: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front. Numbers never pass here."""
    value = " ".join(value.split())
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
