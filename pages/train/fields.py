"""A widget for a setting, with the label, help, limits and choices that the setting declares.

number("n_latent"); choice("gene_likelihood"); share("train_size", step=0.01); toggle("early_stopping")

The value is in the session under ``key(name)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.train.draft import SETTINGS

_WIDTH = 220


def key(name: str) -> str:
    """The widget's key."""
    return f"train_{name}"


def number(
    name: str,
    *,
    step: float | None = None,
    disabled: bool = False,
    bare: bool = False,
    on_change: Callable[[], None] | None = None,
) -> None:
    """``bare``: without its label, beside a widget that has it."""
    one = SETTINGS[name]
    assert one.ge is not None
    assert one.le is not None
    whole = one.kind is int
    st.number_input(
        one.label,
        one.kind(one.ge),
        one.kind(one.le),
        step=step or (1 if whole else 0.05),
        format=None if whole else "%.5g",
        key=key(name),
        persist_state="session",
        help=one.help,
        disabled=disabled,
        on_change=on_change,
        label_visibility="collapsed" if bare else "visible",
        width="stretch" if bare else _WIDTH,
    )


def share(name: str, *, step: float) -> None:
    one = SETTINGS[name]
    st.slider(one.label, one.ge, one.le, step=step, key=key(name), persist_state="session", help=one.help)


def choice(name: str, options: Sequence[Any] | None = None, **how: Any) -> None:
    """``options``: those that can be chosen here; by default all."""
    one = SETTINGS[name]
    st.selectbox(
        one.label,
        list(one.choices if options is None else options),
        format_func=lambda value: one.choices.get(value, value),
        key=key(name),
        persist_state="session",
        help=one.help,
        **how,
    )


def toggle(name: str) -> None:
    one = SETTINGS[name]
    st.toggle(one.label, key=key(name), persist_state="session", help=one.help)
