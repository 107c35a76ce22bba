"""The options of ``train`` that say how the training goes: a preset, and single settings that win over it."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ..training import OUTPUT_STARTS, PRESETS, SCHEDULES, learning_rate, preset
from ..types import RunSpec
from .args import rate, whole

_DEFAULTS = RunSpec(dataset_id="")
_OPTIONS = (
    "batch_size",
    "lr",
    "max_epochs",
    "n_epochs_kl_warmup",
    "lr_schedule",
    "lr_warmup",
    "lr_end",
    "norm_momentum",
    "output_start",
)


def add_course(parser: argparse.ArgumentParser) -> None:
    """Options not given are absent from the namespace, so that a preset can tell."""

    def add(option: str, text: str, **how: Any) -> None:
        parser.add_argument(option, default=argparse.SUPPRESS, help=text, **how)

    add(
        "--preset",
        "fast: a useful model soonest; the others only set the epochs",
        choices=PRESETS,
    )
    add("--batch-size", f"cells in a minibatch ({_DEFAULTS.batch_size})", type=whole(2), metavar="N")
    add("--lr", "learning rate; auto: 0.001 x minibatch size / 128", type=rate, metavar="auto|X")
    add("--max-epochs", f"default: {_DEFAULTS.max_epochs}", type=whole(1), metavar="N")
    add(
        "--kl-warmup",
        f"epochs over which the KL part gains its weight; 0: none ({_DEFAULTS.n_epochs_kl_warmup})",
        type=whole(0),
        metavar="N",
        dest="n_epochs_kl_warmup",
    )
    add("--lr-schedule", f"how the rate falls ({_DEFAULTS.lr_schedule})", choices=SCHEDULES)
    add("--lr-warmup", "share of the run over which the rate rises (0)", type=_share, metavar="X")
    add("--lr-end", "share of the rate left at the end of a falling schedule (0)", type=_share, metavar="X")
    add(
        "--norm-momentum",
        f"of batch normalisation's running averages ({_DEFAULTS.norm_momentum:g})",
        type=_share,
        metavar="X",
    )
    add(
        "--output-start",
        f"where the output layer begins ({_DEFAULTS.output_start})",
        choices=OUTPUT_STARTS,
    )


def course_of(args: argparse.Namespace, n_obs: int) -> dict[str, Any]:
    """The fields of ``RunSpec`` that preset and options set, for a data set of ``n_obs`` cells."""
    given = vars(args)
    fields: dict[str, Any] = {"lr_rule": "linear", "batch_size": _DEFAULTS.batch_size}
    if "preset" in given:
        fields |= preset(given["preset"], n_obs)
    fields |= {name: given[name] for name in _OPTIONS if name in given}
    if given.get("lr") is not None:
        fields["lr_rule"] = "manual"
    elif "lr" in given or "lr" not in fields:  # auto was asked for, or nothing says otherwise
        fields |= {"lr": learning_rate(fields["batch_size"], "linear"), "lr_rule": "linear"}
    if fields.get("n_epochs_kl_warmup") == 0:
        fields["n_epochs_kl_warmup"] = None
    return fields


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, and is {text!r}")
    return value
