"""What devices, engines, statuses, settings and metrics are called, and names from data made fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from unicodedata import category

from ..types import Effect, RunSpec, Section, settings_of

_DEVICES = {"cpu": "CPU", "mps": "MPS", "cuda": "CUDA"}
_DEVICE_TITLES = {"cpu": "CPU", "mps": "Apple GPU (MPS)", "cuda": "NVIDIA GPU (CUDA)"}
_STATUSES = {"canceled": "cancelled"}


def device_word(device: str) -> str:
    """Short, for labels: "mps" or "mps:0" -> "MPS"."""
    kind = device.split(":")[0]
    return _DEVICES.get(kind, kind.upper())


def device_title(device: str) -> str:
    """Written out, where it is chosen or explained: "mps" -> "Apple GPU (MPS)"."""
    kind = device.split(":")[0]
    return _DEVICE_TITLES.get(kind, kind.upper())


def engine_title(engine: str) -> str:
    """ "stock" -> "scvi-tools (reference)"."""
    return settings_of(RunSpec)["engine"].choices.get(engine, engine)


def status_word(status: str) -> str:
    """Of a run, in British spelling: "canceled" -> "cancelled"."""
    return _STATUSES.get(status, str(status))


_TABLES = {
    Section.COVARIATES: "Data",
    Section.MODEL: "Model",
    Section.TRAINING: "Training",
    Section.OPTIMISATION: "Training",
    Section.NOT_IN_FORM: "Model",
}


def setting_rows(spec: RunSpec) -> dict[str, dict[str, str]]:
    """Three tables, Data, Model and Training: label and value of every setting but data set, device and engine."""
    rows: dict[str, dict[str, str]] = {"Data": {}, "Model": {}, "Training": {}}
    for name, one in settings_of(RunSpec).items():
        if one.section in _TABLES and one.effect is not Effect.NAME:
            rows[_TABLES[one.section]][one.label] = one.said(getattr(spec, name))
    return rows


# scvi-tools calls "elbo" what is its negative, and "loss" the same with the KL part weighted by the warm-up.
LOSS_TITLE = "negative ELBO per cell (nats)"
WEIGHTED_TITLE = "KL-weighted loss per cell (nats)"


@dataclass(frozen=True)
class Metric:
    """A quantity that runs can be compared by: in a sentence, and on the axis."""

    name: str
    words: str
    axis: str
    lower_is_better: bool = True

    @property
    def is_loss(self) -> bool:
        return self.name not in ("epoch_seconds", "cells_per_second")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("elbo_validation", "validation ELBO", LOSS_TITLE),
        Metric("elbo_train", "training ELBO", LOSS_TITLE),
        Metric("validation_loss", "KL-weighted validation loss", WEIGHTED_TITLE),
        Metric("train_loss", "KL-weighted training loss", WEIGHTED_TITLE),
        Metric(
            "reconstruction_loss_validation",
            "reconstruction loss (validation)",
            "reconstruction (nats per cell)",
        ),
        Metric(
            "reconstruction_loss_train", "reconstruction loss (training)", "reconstruction (nats per cell)"
        ),
        Metric("kl_local_validation", "KL (validation)", "KL divergence (nats per cell)", False),
        Metric("kl_local_train", "KL (training)", "KL divergence (nats per cell)", False),
        Metric("epoch_seconds", "seconds per epoch", "seconds per epoch"),
        Metric("cells_per_second", "cells per second", "cells per second", False),
    )
}


def sentence_case(words: str) -> str:
    """The first letter a capital, the others as they are: "Validation ELBO"."""
    return words[:1].upper() + words[1:]


def loss_words(name: str) -> str:
    """What a run is judged by, in a sentence; a record from elsewhere may name anything."""
    return METRICS[name if name in METRICS else "validation_loss"].words


# They break lines, steer a terminal or turn the direction of writing around.
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # part of how some scripts, and some emoji, are written


def visible(text: object) -> str:
    """Text that comes from data or people, with a space for each character that cannot be seen."""
    return "".join(" " if category(c) in _INVISIBLE and c not in _JOINERS else c for c in str(text))


def one_line(text: object, limit: int = 200) -> str:
    """The same with single spaces, cut at its end."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
