"""What a sweep varies, as widgets: sizes, rules, engines, devices, seeds, and any other setting.

    axes = sweep_axes("new", start, dataset)     # the values a ``SweepPlan`` takes

Used by the form of a new sweep and by the one that adds points to a sweep.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend import services
from backend.errors import BadInput
from backend.services import available_engines
from backend.types import SweepPlan
from backend.words import count
from pages.train.draft import LIKELIHOODS, MINIBATCH_SIZES, PRECISIONS

RULES = {"linear": "Linear", "sqrt": "Square root", "fixed": "Fixed"}
MOST_SEEDS = 10
NOTHING = "Nothing else"
_NUMBERS: dict[str, tuple[str, type, str]] = {
    "n_latent": ("Latent dimensions (n_latent)", int, "5, 10, 20"),
    "n_hidden": ("Hidden units (n_hidden)", int, "64, 128, 256"),
    "n_layers": ("Layers (n_layers)", int, "1, 2"),
    "dropout_rate": ("Dropout rate (dropout_rate)", float, "0, 0.1, 0.2"),
    "lr": ("Learning rate at 128 cells (lr)", float, "0.0005, 0.001, 0.002"),
    "train_size": ("Share of cells to train on (train_size)", float, "0.8, 0.9"),
    "max_epochs": ("Epochs (max_epochs)", int, "5, 10, 20"),
}
_CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "gene_likelihood": ("Likelihood of the counts (gene_likelihood)", LIKELIHOODS),
    "precision": ("Precision (precision)", PRECISIONS),
}


def sweep_axes(form: str, start: SweepPlan) -> dict[str, Any]:
    """Draw the widgets; ``form`` keeps two forms apart, ``start`` is what they show at first."""
    sizes = sorted({*MINIBATCH_SIZES, *start.batch_sizes})
    batch_sizes = st.pills(
        "Minibatch sizes (batch_size)",
        sizes,
        selection_mode="multi",
        default=list(start.batch_sizes),
        format_func=count,
        key=f"sweep-{form}-sizes",
        help="How many cells the model looks at before each small correction. One run is trained for each size.",
    )
    left, right = st.columns(2)
    with left:
        engines = st.pills(
            "Engines",
            list(available_engines()),
            selection_mode="multi",
            default=[one for one in start.engines if one in available_engines()],
            format_func=str.capitalize,
            key=f"sweep-{form}-engines",
            help="Stock is scvi-tools as it comes. Fused trains the same model in less time.",
        )
        rules = st.pills(
            "Learning rate rules",
            list(RULES),
            selection_mode="multi",
            default=list(start.lr_rules),
            format_func=RULES.__getitem__,
            key=f"sweep-{form}-rules",
            help="How the learning rate follows the minibatch size, from 0.001 at 128 cells: in proportion, by "
            "its square root, or not at all.",
        )
    with right:
        here = {one.name: one.label for one in services.current().devices.accelerators() if one.available}
        accelerators = st.pills(
            "Devices",
            list(here),
            selection_mode="multi",
            default=[one for one in start.accelerators if one in here],
            format_func=here.__getitem__,
            key=f"sweep-{form}-devices",
            help="The parts of this computer that can train. The Device page says why others are missing.",
        )
        seeds = st.number_input(
            "Repeats with different seeds",
            1,
            MOST_SEEDS,
            value=max(start.seeds) + 1 if max(start.seeds) < MOST_SEEDS else 1,
            key=f"sweep-{form}-seeds",
            help="Training starts from random numbers. Repeats show how much the loss varies by chance, and take "
            "as many times longer.",
        )
    more = _own_sizes(form)
    return {
        "batch_sizes": tuple(sorted({*batch_sizes, *more})),
        "engines": tuple(engines),
        "lr_rules": tuple(rules),
        "accelerators": tuple(accelerators),
        "seeds": tuple(range(seeds)),
    }


def other_axis(form: str) -> dict[str, tuple[Any, ...]]:
    """One more setting to vary. Raises ``BadInput`` for what is not a list of values."""
    known = {**{name: entry[0] for name, entry in _NUMBERS.items()}, **{n: e[0] for n, e in _CHOICES.items()}}
    left, right = st.columns(2)
    name = left.selectbox(
        "One more setting to vary",
        [NOTHING, *known],
        format_func=lambda one: known.get(one, one),
        key=f"sweep-{form}-other",
        help="Every value is combined with every size, engine and rule, so the number of runs multiplies.",
    )
    if name in _CHOICES:
        chosen = right.pills(
            "Its values",
            _CHOICES[name][1],
            selection_mode="multi",
            default=list(_CHOICES[name][1][:2]),
            key=f"sweep-{form}-choices-{name}",
        )
        return {name: tuple(chosen)}
    if name in _NUMBERS:
        _, kind, example = _NUMBERS[name]
        text = right.text_input(
            "Its values", example, key=f"sweep-{form}-values-{name}", help="Numbers with commas between them."
        )
        return {name: numbers(text, kind)}
    return {}


def numbers(text: str, kind: type) -> tuple[Any, ...]:
    """``"5, 10"`` as numbers, each once; a sentence for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(dict.fromkeys(kind(part) for part in parts))
    except ValueError:
        noun = "whole numbers" if kind is int else "numbers"
        raise BadInput(f"Write {noun} with commas between them, not {text[:40]!r}.") from None


def _own_sizes(form: str) -> tuple[int, ...]:
    text = st.text_input(
        "More minibatch sizes",
        placeholder="for example 64, 8192",
        key=f"sweep-{form}-more-sizes",
        help="Any other sizes to try, with commas between them.",
    )
    try:
        return numbers(text or "", int)
    except BadInput as error:
        st.error(str(error), icon=":material/error:")
        return ()
