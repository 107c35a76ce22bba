"""What is new in a figure, or in any value of JSON, since the browser last had it whole: only that is sent again.

    sent = whole_or_changes("loss-chart", figure)     # in a Streamlit session
    {"whole": "…"}                                    # the first time: all of it
    {"from": "api/blob/…", "changes": […]}           # later: where all of it lies, and how it differs

``increments.js`` puts them together. The browser fetches the whole once, however many changes to it follow; one that
missed some, or mounts anew, is as well off. When the changes have become many, the next figure is laid down whole.

A change is a path and a value to put there; or, of a list that goes on, a path, how many entries stay, and the rest.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.server.send import publish

Change = list[Any]  # [path, value] or [path, entries that stay, the rest]
MOST = 1500  # bytes of changes, before the whole is laid down anew
_KEPT = 40  # figures a session remembers
_KEY = "figures_sent"


@dataclass
class _Whole:
    figure: Any
    address: str = ""  # empty: sent with the page itself


def whole_or_changes(key: str, figure: Any) -> dict[str, Any]:
    known: OrderedDict[str, _Whole] = st.session_state.setdefault(_KEY, OrderedDict())
    whole = known.get(key)
    if whole is None:
        known[key] = _Whole(figure)
        while len(known) > _KEPT:
            known.popitem(last=False)
        return {"whole": text(figure)}
    known.move_to_end(key)
    changes = differences(whole.figure, figure)
    if len(text(changes)) > MOST:
        known[key] = whole = _Whole(figure)
        changes = []
    if not whole.address:
        whole.address = publish(text(whole.figure).encode())
    return {"from": whole.address, "changes": text(changes)}


def text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))  # Streamlit would write a space after every number


def differences(old: Any, new: Any) -> list[Change]:
    """The changes that make ``new`` of ``old``, two values of JSON."""
    found: list[Change] = []
    _compare(old, new, [], found)
    return found


def _compare(old: Any, new: Any, path: list[str | int], found: list[Change]) -> None:
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for name, value in new.items():
            _compare(old[name], value, [*path, name], found)
    elif isinstance(old, list) and isinstance(new, list) and not _same(old, new):
        if len(old) == len(new) and any(isinstance(value, (dict, list)) for value in new):
            for place, value in enumerate(new):
                _compare(old[place], value, [*path, place], found)
        else:
            pairs = zip(old, new, strict=False)
            stay = next((n for n, (a, b) in enumerate(pairs) if not _same(a, b)), min(len(old), len(new)))
            found.append([path, stay, new[stay:]])
    elif not _same(old, new):
        found.append([path, new])


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
