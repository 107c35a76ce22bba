"""Settings and amounts as people say them, for differences, labels and sentences. Plain text, never markup."""

from __future__ import annotations

from typing import Any

from ..types import RunRecord
from ..words import device_word, listed, percent

LR_RULES = {
    "linear": "grows with the minibatch size",
    "sqrt": "grows with its square root",
    "fixed": "the same for every size",
    "manual": "set by hand",
}

# Every setting of a run that can differ, in the order people care: field -> what it is called.
LABELS = {
    "dataset_id": "data set",
    "n_obs": "cells",
    "n_vars": "genes",
    "accelerator": "device",
    "engine": "engine",
    "implementation": "computed with",
    "batch_size": "minibatch size (batch_size)",
    "lr": "learning rate (lr)",
    "lr_rule": "learning-rate rule",
    "max_epochs": "epochs asked for",
    "seed": "random seed",
    "train_size": "share of cells trained on (train_size)",
    "batch_key": "experimental batch (batch_key)",
    "categorical_covariate_keys": "other groups evened out",
    "continuous_covariate_keys": "numbers evened out",
    "gene_likelihood": "distribution of counts (gene_likelihood)",
    "dispersion": "dispersion",
    "n_latent": "numbers per cell (n_latent)",
    "n_hidden": "network width (n_hidden)",
    "n_layers": "network depth (n_layers)",
    "dropout_rate": "dropout (dropout_rate)",
    "check_val_every_n_epoch": "validated every … epochs",
    "early_stopping": "early stopping",
    "early_stopping_patience": "patience of early stopping",
    "n_epochs_kl_warmup": "KL warm-up, epochs",
    "precision": "precision",
    "device_name": "processor",
    "platform": "operating system",
    "torch": "PyTorch",
    "scvi-tools": "scvi-tools",
}
_SHORT = {  # what a label says of a setting, where the value alone does not say what it is
    "batch_size": "minibatch {}",
    "lr": "lr {}",
    "lr_rule": "lr {}",
    "max_epochs": "{} epochs",
    "seed": "seed {}",
    "n_latent": "n_latent {}",
    "n_hidden": "n_hidden {}",
    "n_layers": "{} layers",
    "dropout_rate": "dropout {}",
    "train_size": "trained on {}",
    "batch_key": "batch {}",
    "n_epochs_kl_warmup": "KL warm-up {}",
}
IN_LABELS = (
    *("accelerator", "engine", "batch_size", "lr_rule", "lr", "gene_likelihood", "n_latent", "n_hidden"),
    *("n_layers", "dropout_rate", "batch_key", "precision", "train_size", "n_epochs_kl_warmup", "max_epochs"),
    *("dataset_id", "seed"),
)


def value_of(run: RunRecord, name: str) -> Any:
    """The value of a setting as executed, where that is known."""
    match name:
        case "accelerator":
            return (run.device or run.spec.accelerator).split(":")[0]
        case "engine":
            return run.environment.get("engine") or run.spec.engine
        case "device_name" | "n_obs" | "n_vars" | "implementation":
            return getattr(run, name)
        case "platform" | "torch" | "scvi-tools":
            return run.environment.get(name, "")
        case "early_stopping_patience":
            return run.spec.early_stopping_patience if run.spec.early_stopping else None
        case _:
            return getattr(run.spec, name)


def said(run: RunRecord, name: str) -> str:
    """The value of a setting in words."""
    value = value_of(run, name)
    match name:
        case "dataset_id":
            return run.spec.dataset_name or run.spec.dataset_id
        case "accelerator":
            return device_word(value)
        case "lr_rule":
            return LR_RULES.get(value, str(value))
        case "train_size":
            return percent(value)
        case "lr" | "dropout_rate":
            return f"{value:.3g}"
        case "precision":
            return "mixed with 16 bit" if value == "bf16-mixed" else "32 bit"
        case "n_epochs_kl_warmup" | "batch_key" if value in (None, 0, ""):
            return "none"
        case "n_obs" | "n_vars":
            return f"{value:,}" if value else "not known"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, int):
        return f"{value:,}" if name == "batch_size" and value >= 10_000 else str(value)
    return str(value) if value not in (None, "") else "–"


def short(run: RunRecord, name: str) -> str:
    value = run.spec.lr_rule if name == "lr_rule" else said(run, name)
    return _SHORT.get(name, "{}").format(value)


def concerned(names: list[str], n_runs: int) -> str:
    """The runs that a finding is about, not longer than a sentence bears."""
    if len(names) == n_runs > 2:
        return f"all {n_runs} runs"
    return listed(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
