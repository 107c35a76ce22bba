"""The quantities that runs can be compared by: what each is called, in a sentence and on an axis."""

from __future__ import annotations

from dataclasses import dataclass

# scvi-tools calls "elbo" what is its negative, and "loss" the same with the KL part weighted by the warm-up.
LOSS_TITLE = "negative ELBO per cell (nats)"


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
        Metric("validation_loss", "validation loss", LOSS_TITLE),
        Metric("train_loss", "training loss", LOSS_TITLE),
        Metric("elbo_validation", "validation ELBO", "negative ELBO, KL in full (nats per cell)"),
        Metric("elbo_train", "training ELBO", "negative ELBO, KL in full (nats per cell)"),
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
