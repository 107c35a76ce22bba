"""``RunSpec``: what to train. Each field is a setting, declared here and nowhere else (``_settings.py``)."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message
from ._settings import Effect, Section, setting


@dataclass(frozen=True, slots=True)
class RunSpec(Message):
    """What to train. Everything a run needs besides the cells themselves; never edited after submission."""

    dataset_id: str = setting(  # id of a *prepared* dataset
        label="Data set",
        help="The cells to train on. Data sets appear here once they are prepared on the Data page.",
        section=Section.DATA,
        effect=Effect.DATA,
        script="code",
        among="the prepared data sets",
    )
    dataset_name: str = setting(
        "",
        "Name of the data set",
        "What the data set was called when the run was submitted.",
        section=Section.NOT_IN_FORM,
        not_in_form="follows from the data set",
        effect=Effect.NAME,
        unscripted="a name changes nothing",
        among="any text",
    )
    engine: str = setting(  # what ran is RunRecord.environment["engine"]
        "fused",
        "Engine",
        "The implementation that trains. Both give the same kind of model, which plain scvi-tools opens.",
        section=Section.DEVICE,
        effect=Effect.NOTHING,
        unscripted="a script trains with scvi-tools itself, which gives the same losses to rounding",
        choices={"fused": "Fused (fast)", "stock": "scvi-tools (reference)"},
        short="{value}",
    )
    accelerator: str = setting(  # what ran is RunRecord.device
        "auto",
        "Device",
        "The part of this computer that trains. The Devices page says how fast each was here.",
        section=Section.DEVICE,
        effect=Effect.NOTHING,
        script="train",
        choices={"auto": "chosen automatically", "cpu": "CPU", "mps": "MPS", "cuda": "CUDA"},
    )
    batch_size: int = setting(
        128,
        "Minibatch size (batch_size)",
        "Cells in one optimiser step. Larger minibatches make an epoch faster, with fewer steps; 128 is the "
        "default of scvi-tools.",
        section=Section.TRAINING,
        effect=Effect.NOTHING,
        script="train",
        ge=3,  # smaller ones cannot be normalised
        le=1_000_000,
        unit="cells",
        short="minibatch {said}",
    )
    lr: float = setting(
        1e-3,
        "Learning rate (lr)",
        "Step size of the Adam optimiser. Larger minibatches take fewer steps, so the rate is usually raised with "
        "the minibatch size.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="plan_kwargs",
        ge=1e-9,
        le=10.0,
        short="lr {said}",
    )
    lr_rule: str = setting(
        "linear",
        "Learning-rate rule (lr_rule)",
        "How the learning rate follows the minibatch size, from 0.001 at 128 cells.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        unscripted="the rate that follows from it is written",
        choices={
            "linear": "Linear scaling (linear)",
            "sqrt": "Square-root scaling (sqrt)",
            "fixed": "Fixed at 0.001 (fixed)",
            "manual": "Custom (manual)",
        },
        short="lr {value}",
    )
    max_epochs: int = setting(
        5,
        "Epochs (max_epochs)",
        "An epoch is one pass through all training cells. More epochs give a better model and take longer.",
        section=Section.TRAINING,
        effect=Effect.LENGTH,
        script="train",
        ge=1,
        le=100_000,
        unit="epochs",
        short="{said} epochs",
    )
    batch_key: str | None = setting(
        None,
        "Batch (batch_key)",
        "The obs column of the experimental batch: experiment, donor or sequencing run. The model corrects for "
        "batch effects between its levels.",
        section=Section.COVARIATES,
        effect=Effect.MODEL,
        script="setup_anndata",
        among="the columns of the data set",
        short="batch {said}",
    )
    categorical_covariate_keys: tuple[str, ...] = setting(
        (),
        "Categorical covariates",
        "Further obs columns of labels to correct for, for example the chemistry used.",
        section=Section.COVARIATES,
        effect=Effect.MODEL,
        script="setup_anndata",
        among="the columns of the data set",
        short="covariates {said}",
    )
    continuous_covariate_keys: tuple[str, ...] = setting(
        (),
        "Continuous covariates",
        "Obs columns of numbers to correct for, for example a cell-cycle score.",
        section=Section.COVARIATES,
        effect=Effect.MODEL,
        script="setup_anndata",
        among="the columns of the data set",
        short="continuous covariates {said}",
    )
    gene_likelihood: str = setting(
        "zinb",
        "Gene likelihood (gene_likelihood)",
        "The distribution that counts are modelled with. ZINB allows extra zeros and suits most data; NB is simpler "
        "and a little faster; Poisson is the simplest.",
        section=Section.MODEL,
        effect=Effect.LIKELIHOOD,
        script="SCVI",
        choices={
            "zinb": "Zero-inflated negative binomial (zinb)",
            "nb": "Negative binomial (nb)",
            "poisson": "Poisson (poisson)",
        },
        short="{value}",
    )
    dispersion: str = setting(
        "gene",
        "Dispersion (dispersion)",
        "Whether the overdispersion of a gene is the same in all cells, or differs between batches or cells.",
        section=Section.NOT_IN_FORM,
        not_in_form="one per gene suits nearly all data; the others are there for Python",
        effect=Effect.MODEL,
        script="SCVI",
        choices={
            "gene": "One per gene (gene)",
            "gene-batch": "One per gene and batch (gene-batch)",
            "gene-cell": "One per gene and cell (gene-cell)",
        },
        short="dispersion {value}",
    )
    n_latent: int = setting(
        10,
        "Latent dimensions (n_latent)",
        "Dimensions of the latent space that describes each cell. 10 suits most data; more for very diverse ones.",
        section=Section.MODEL,
        effect=Effect.NOTHING,
        script="SCVI",
        ge=1,
        le=1_000,
        short="n_latent {said}",
    )
    n_hidden: int = setting(
        128,
        "Hidden units (n_hidden)",
        "Units in each hidden layer. More can fit finer detail and take longer.",
        section=Section.MODEL,
        effect=Effect.NOTHING,
        script="SCVI",
        ge=1,
        le=65_536,
        short="n_hidden {said}",
    )
    n_layers: int = setting(
        1,
        "Hidden layers (n_layers)",
        "Hidden layers of encoder and decoder. 1 or 2 are enough for most data.",
        section=Section.MODEL,
        effect=Effect.NOTHING,
        script="SCVI",
        ge=1,
        le=64,
        short="{said} layers",
    )
    dropout_rate: float = setting(
        0.1,
        "Dropout rate (dropout_rate)",
        "The fraction of hidden units switched off at random in each step, against overfitting.",
        section=Section.MODEL,
        effect=Effect.NOTHING,
        script="SCVI",
        ge=0.0,
        le=0.99,
        short="dropout {said}",
    )
    train_size: float = setting(
        0.9,
        "Training fraction (train_size)",
        "The fraction of cells to train on. The others are held out for validation.",
        section=Section.OPTIMISATION,
        effect=Effect.HELD_OUT,
        script="code",
        ge=0.05,
        le=1.0,
        unit="%",
        short="trained on {said}",
    )
    seed: int = setting(
        0,
        "Random seed (seed)",
        "Decides the validation cells, the initial weights and the order of cells. The same seed and settings on the "
        "CPU give the same model.",
        section=Section.OPTIMISATION,
        effect=Effect.SPLIT,
        script="code",
        ge=0,
        le=2**32 - 1,
        short="seed {said}",
    )
    check_val_every_n_epoch: int = setting(
        1,
        "Validate every N epochs (check_val_every_n_epoch)",
        "How often the loss of the validation cells is computed. Less often is a little faster.",
        section=Section.OPTIMISATION,
        effect=Effect.VALIDATION,
        script="train",
        ge=1,
        le=100_000,
        short="validated every {said} epochs",
    )
    early_stopping: bool = setting(
        False,
        "Early stopping (early_stopping)",
        "Ends the run once the validation ELBO has not improved for a number of epochs.",
        section=Section.OPTIMISATION,
        effect=Effect.ENDING,
        unscripted="the number of epochs it ended at is written",
        short="early stopping {said}",
    )
    early_stopping_patience: int = setting(
        45,
        "Patience (early_stopping_patience)",
        "Epochs without improvement to wait for before stopping early.",
        section=Section.OPTIMISATION,
        effect=Effect.ENDING,
        unscripted="the number of epochs it ended at is written",
        ge=1,
        le=100_000,
        unit="epochs",
        short="patience {said}",
    )
    n_epochs_kl_warmup: int | None = setting(
        400,
        "KL warm-up (n_epochs_kl_warmup)",
        "Epochs over which the weight of the KL term in the loss rises to 1. 0 switches the warm-up off.",
        section=Section.OPTIMISATION,
        effect=Effect.KL_WEIGHT,
        script="plan_kwargs",
        ge=0,
        le=1_000_000,
        unit="epochs",
        short="KL warm-up {said}",
    )
    precision: str = setting(
        "32-true",
        "Matmul precision (precision)",
        "float32 is the safe choice; bfloat16 is faster on some processors. What it changes is measured on your "
        "cells before you decide.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="train",
        choices={"32-true": "float32", "bf16-mixed": "bfloat16"},
    )
    lr_schedule: str = setting(
        "constant",
        "Learning-rate schedule (lr_schedule)",
        "How the learning rate falls over the run. Large steps first and small ones later need fewer epochs.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        choices={"constant": "Constant", "linear": "Linear decay", "cosine": "Cosine decay"},
        short="lr {value} over the run",
    )
    lr_warmup: float = setting(
        0.0,
        "Warm-up fraction (lr_warmup)",
        "The fraction of the steps over which the learning rate rises to its value.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        ge=0.0,
        le=0.99,
        unit="%",
        short="lr warm-up {said}",
    )
    lr_end: float = setting(
        0.0,
        "Final learning-rate fraction (lr_end)",
        "The fraction of the learning rate that is left at the end of a schedule.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        ge=0.0,
        le=1.0,
        unit="%",
        short="final lr {said}",
    )
    norm_momentum: float = setting(
        0.01,
        "Batch-norm momentum (norm_momentum)",
        "How fast the running averages of batch normalisation follow the training. The default of scvi-tools is "
        "0.01; 0.1 suits runs of few epochs.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        ge=1e-6,
        le=1.0,
        short="batch-norm momentum {said}",
    )
    norm_recalibration: bool = setting(
        False,
        "Batch-norm recalibration (norm_recalibration)",
        "Recomputes the running averages of batch normalisation from training cells before each validation and at the "
        "end, where the ELBO does not get worse by it. In short runs they lag behind the weights otherwise.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        short="batch-norm recalibration {said}",
    )
    output_start: str = setting(
        "random",
        "Output-bias initialisation (output_start)",
        "Starting the output biases at the average of each gene saves the epochs spent on learning it.",
        section=Section.OPTIMISATION,
        effect=Effect.NOTHING,
        script="code",
        choices={"random": "Random, as scvi-tools does", "gene_means": "Average of each gene"},
        short="output bias {value}",
    )
