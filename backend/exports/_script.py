"""A run as a Python script and as a notebook that repeat it with plain scvi-tools: the same parts, printed or in cells.

Both are plain text made from a ``Recipe``; nothing in them needs this program.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from typing import Any

from ..words import one_line
from ._export import Export, Run
from ._recipe import Recipe, gather
from ._recipe_code import PACKAGES, parts


def _script(recipe: Recipe) -> str:
    """Python source, to be run with the input file as its argument."""
    title = one_line(recipe.record.name, 80).replace("\\", "/").replace('"""', "'''")
    usage = "python this_script.py" + ("" if recipe.container == "demo" else " path/to/the/input/file")
    paragraphs = [f"Repeats the run {title} with plain scvi-tools.", f"    {usage}", *_about(recipe)]
    head = "\n\n".join(text if text.startswith("    ") else textwrap.fill(text, 100) for text in paragraphs)
    blocks = [f'"""{head}\n"""']
    for part in parts(recipe, notebook=False):
        note = textwrap.fill(part.words, 100, initial_indent="# ", subsequent_indent="# ")
        blocks.append(f"# --- {part.title} {'-' * max(3, 90 - len(part.title))}\n{note}\n\n{part.code}")
    return "\n\n".join(blocks) + "\n"


def _notebook(recipe: Recipe) -> str:
    """A Jupyter notebook (nbformat 4.5) as JSON."""
    title = one_line(recipe.record.name, 80).replace("`", "'")
    cells = [
        _cell("markdown", "\n\n".join([f"# `{title}`, repeated with plain scvi-tools", *_about(recipe)]), 0)
    ]
    for number, part in enumerate(parts(recipe, notebook=True), start=1):
        cells.append(_cell("markdown", f"## {part.title}\n\n{part.words}", 2 * number - 1))
        cells.append(_cell("code", part.code, 2 * number))
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "version": recipe.record.environment.get("python", "3.11")},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, text: str, number: int) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": hashlib.sha256(f"{number}{text}".encode()).hexdigest()[:12],
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell


def _about(recipe: Recipe) -> list[str]:
    """What to expect of it, honestly, as paragraphs."""
    environment = recipe.record.environment
    versions = ", ".join(
        f"{name} {environment[name]}" for name in ("scvi-tools", "torch") if name in environment
    )
    pins = " ".join(f"{name}=={environment[name].split('+')[0]}" for name in PACKAGES if name in environment)
    told = [_expectation(recipe)]
    if versions:
        told.append(f"The run used {versions}. To install these: pip install {pins} scanpy")
    if recipe.container == "h5ad" and recipe.dataset.simulated:
        told.append(
            "Its cells were simulated. As the input file take the .h5ad that the page of the run offers: it "
            "holds the same counts."
        )
    elif recipe.container != "demo":
        told.append(
            "The input is the file that was brought into scVI Studio; the .h5ad that the page of the run "
            "offers does as well."
        )
    return told


def _expectation(recipe: Recipe) -> str:
    if recipe.device != "cpu":
        return (
            f"The run was computed on {recipe.device.upper()}. Accelerators add numbers up in an order of their "
            "own, so expect a loss that agrees to about three digits, and a latent space of the same "
            "structure but not the same coordinates."
        )
    if not recipe.course.certain:
        return (
            "The run was extended, and the rates on record do not tell how its learning rate rose in its first "
            "epoch. Expect a similar loss, not the same numbers."
        )
    if recipe.course.extra_steps is None:
        return (
            "The run was stopped within an epoch so large that its single steps were not all recorded. This "
            "repeats its complete epochs; loss and latent space will be close but not the same."
        )
    if recipe.engine != "stock" and recipe.precision != "32-true":
        return (
            "The run used the fused engine with products rounded to bfloat16; scvi-tools computes here in full "
            "precision. Expect losses equal to about three digits and a latent space of the same structure."
        )
    if recipe.engine != "stock":
        return (
            "The run used the fused engine, which draws the same minibatches and the same noise as scvi-tools "
            "and rounds differently. Expect losses equal to about five digits after a few epochs and latent "
            "coordinates within about 0.001; the differences grow slowly with the number of epochs."
        )
    return (
        "On a CPU of the same kind and with the same versions it ends at the same numbers: final losses and "
        "latent coordinates are equal to the last digit. Elsewhere they agree to rounding, which training "
        "amplifies slowly."
    )


SCRIPT = Export[Run]("reproduce.py", lambda run, path: path.write_text(_script(gather(run)), "utf-8"))
NOTEBOOK = Export[Run]("reproduce.ipynb", lambda run, path: path.write_text(_notebook(gather(run)), "utf-8"))
