"""The notices of workspaces, files and bundles written before notices had codes: which sentence meant what.

    code_and_params("dropped 12 empty cells")   # ("empty_cells_dropped", {"n": 12}, "info")

The one place that takes sentences apart. Frozen: it knows what was written once and never learns a new one. A sentence
it does not know is kept as it is, under the code ``text``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

_N = r"([\d,]+)"
_DEVICES = {"CPU": "cpu", "MPS": "mps", "CUDA": "cuda", "Apple GPU (MPS)": "mps", "NVIDIA GPU (CUDA)": "cuda"}


def code_and_params(sentence: str) -> tuple[str, dict[str, Any], str]:
    """Its code, its parameters and its severity."""
    severity = "warning" if sentence.startswith("Warning:") else "info"
    for code, pattern, params in _KNOWN:
        match = re.fullmatch(pattern, sentence, re.DOTALL)
        if match:
            try:
                return code, params(*match.groups()), severity
            except (ValueError, KeyError):
                break
    return "text", {"text": sentence.removeprefix("Warning:").strip()}, severity


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _n(text: str) -> dict[str, Any]:
    return {"n": _number(text)}


def _names(text: str) -> dict[str, Any]:
    return {"names": text.split(", ")}


def _selected(n: str, how: str) -> dict[str, Any]:
    """``how`` was "seurat_v3 per batch, with a wider curve fit in 2 of 5 batches, without 1 of 5 batches, ..."."""
    wider = re.search(r"wider curve fit(?: in (\d+) of \d+ batches)?", how)
    without = re.search(r"without (\d+) of (\d+) batches", how)
    of = without or re.search(r"fit in (\d+) of (\d+) batches", how)
    return {
        "n": _number(n),
        "method": "seurat_v3" if how.startswith("seurat_v3") else "variance_to_mean",
        "per_batch": how.startswith("seurat_v3 per batch"),
        "batches": int(of[2]) if of else 0,
        "wider_fits": int(wider[1] or 1) if wider else 0,
        "left_out": int(without[1]) if without else 0,
        "fell_back": how.endswith(("failed on these cells", "as it does when batches are small")),
    }


def _moved(cells: str, where: str) -> dict[str, Any]:
    return {"n": 1 if cells.startswith("one") else int(cells.split()[0]), "to": where.removeprefix("to ")}


def _failed(device: str, day: str, wrong: str) -> dict[str, Any]:
    return {
        "device": _DEVICES[device],
        "checked_at": time.mktime(time.strptime(day, "%d %B %Y")),
        "wrong": wrong.split(", "),
    }


def _sizes(sizes: str, cells: str) -> dict[str, Any]:
    return {
        "sizes": [_number(one) for one in re.findall(_N + r"(?=, | and |$)", sizes)],
        "cells": _number(cells),
    }


_KNOWN: tuple[tuple[str, str, Callable[..., dict[str, Any]]], ...] = (
    # of preparing a data set
    ("other_features_left_out", rf"kept gene expression only \({_N} other features? left out\)", _n),
    (
        "genes_dropped",
        rf"dropped {_N} genes? seen in fewer than {_N} cells?",
        lambda n, cells: {**_n(n), "min_cells": _number(cells)},
    ),
    ("empty_cells_dropped", rf"dropped {_N} empty cells?", _n),
    ("emptied_cells_dropped", rf"dropped {_N} cells? without counts in the genes that are kept", _n),
    ("selection_emptied_cells", rf"dropped {_N} cells? without counts in the selected genes", _n),
    (
        "missing_filled",
        rf'set {_N} missing values? of (.+) to "(.+)"',
        lambda n, column, level: {**_n(n), "column": column, "level": level},
    ),
    (
        "names_made_unique",
        rf"made {_N} repeated (cell|gene) names? unique",
        lambda n, of: {**_n(n), "of": of},
    ),
    ("unreadable_left_out", r"left out what cannot be read: (.+)", _names),
    ("unstorable_left_out", r"left out what an h5ad cannot hold: (.+)", _names),
    (
        "all_genes_kept",
        rf"kept all {_N} genes: there are no more than the {_N} asked for",
        lambda n, asked: {**_n(n), "asked": _number(asked)},
    ),
    ("genes_selected", rf"selected {_N} highly variable genes? \((.+)\)", _selected),
    # of the device and the engine
    ("gpu_only_by_hand", r"Runs on the CPU: the Apple GPU is used only when it is chosen by hand\.", dict),
    ("no_gpu", r"Runs on the CPU: there is no GPU here that can be used\.", dict),
    (
        "device_chosen",
        r"The device was chosen automatically: (CPU|MPS|CUDA)\.",
        lambda name: {"device": _DEVICES[name]},
    ),
    (
        "device_differs",
        r"The run was meant for (.+) and is on (\w+)\.",
        lambda meant, device: {"meant": _DEVICES[meant], "device": device},
    ),
    (
        "device_unchecked",
        r"Warning: The (.+) has not been checked on this computer\. .+",
        lambda name: {"device": _DEVICES[name]},
    ),
    (
        "device_failed_check",
        r"Warning: The (.+) failed its self-check of (.+): (.+) came out wrong\. .+",
        _failed,
    ),
    (
        "engine_fell_back",
        r"Trained with the stock engine: the fused engine does not support (.+)\.",
        lambda option: {"option": option},
    ),
    (
        "engine_fell_back",
        r"Trained with the stock engine: the fused engine needs the counts as a CSR matrix\.",
        lambda: {"option": ""},
    ),
    (
        "bfloat16_unsupported",
        r"This device cannot compute in bfloat16; the run uses 32-bit precision\.",
        dict,
    ),
    # of training
    ("tail_moved", r"So that no minibatch is too small to train on, (.+) (?:was|were) moved (.+)\.", _moved),
    (
        "early_stopping_left_out",
        r"Early stopping was left out: with all cells in training none are left to validate\.",
        dict,
    ),
    (
        "stopped_early",
        r"Stopped early after epoch (\d+): the validation loss had not improved for (\d+) validations\.",
        lambda epoch, patience: {"epoch": int(epoch), "patience": int(patience)},
    ),
    ("stopped_before_model", r"Stopped before there was a model\.", dict),
    # of a sweep
    (
        "sizes_left_out",
        rf"Minibatch sizes? (.+) (?:is|are) left out: there are only {_N} cells to train on\.",
        _sizes,
    ),
)
