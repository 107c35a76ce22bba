"""The options of ``train`` that say what is trained and how: a preset, and single settings that win over it.

Every setting of ``RunSpec`` has an option, made from its declaration.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..training import PRESETS, kl_warmup, learning_rate, preset, training_cells
from ..types import RunSpec, settings_of
from .args import add_setting, setting_value

_SETTINGS = settings_of(RunSpec)
_ELSEWHERE = ("dataset_id", "dataset_name", "batch_key")  # options of every command that takes data
_FOLLOWS = ("lr_rule",)  # from whether a rate is given
_SHORTER = {
    "n_epochs_kl_warmup": "--kl-warmup",
    "categorical_covariate_keys": "--categorical-covariates",
    "continuous_covariate_keys": "--continuous-covariates",
}


def add_course(parser: argparse.ArgumentParser) -> None:
    """Single options that are not given are absent from the namespace, so that a preset can tell."""
    parser.add_argument(
        "--preset",
        default="recommended",
        help="recommended (the default): the best model for its time; quick: a few epochs of it; "
        "scvi-tools: the defaults of scvi-tools",
        choices=PRESETS,
    )
    for name in _SETTINGS:
        if name == "lr":
            parser.add_argument(
                "--lr",
                type=lambda text: None if text == "auto" else setting_value(_SETTINGS["lr"], text),
                default=argparse.SUPPRESS,
                metavar="auto|X",
                help="learning rate; auto: 0.001 x minibatch size / 128",
            )
        elif name not in (*_ELSEWHERE, *_FOLLOWS):
            add_setting(parser, _SHORTER.get(name, f"--{name.replace('_', '-')}"), _SETTINGS[name])


def course_of(args: argparse.Namespace, n_obs: int) -> dict[str, Any]:
    """The fields of ``RunSpec`` that preset and options set, for a data set of ``n_obs`` cells."""
    given = vars(args)
    fields = preset(given["preset"], n_obs)
    if "max_epochs" in given and fields["n_epochs_kl_warmup"] < fields["max_epochs"]:
        fields["n_epochs_kl_warmup"] = kl_warmup(given["max_epochs"])  # still ends within the run
    fields |= {name: given[name] for name in _SETTINGS if given.get(name) is not None}
    if given.get("lr") is not None:
        fields["lr_rule"] = "manual"
    elif "lr" in given or fields["lr_rule"] == "linear":  # auto was asked for, or the preset scales it
        n_train = training_cells(fields.get("train_size", _SETTINGS["train_size"].default), n_obs)
        fields |= {"lr": learning_rate(fields["batch_size"], "linear", n_train), "lr_rule": "linear"}
    if fields.get("n_epochs_kl_warmup") == 0:
        fields["n_epochs_kl_warmup"] = None
    return fields
