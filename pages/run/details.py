"""The still part of a run's page: notices, the settings as executed, the log."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend import services
from backend.types import RunRecord, RunSpec
from backend.words import count, duration, percent, sentence
from pages.server.routes import download_url
from pages.shared.literal import literal

PRECISION_NAMES = {"32-true": "float32", "bf16-mixed": "bfloat16 matrix products"}
TAIL = 64 * 1024  # bytes of the log that a page shows


def notices(run: RunRecord) -> None:
    for notice in run.notices:
        show = st.warning if notice.severity == "warning" else st.info
        show(literal(sentence(notice), limit=600), icon=f":material/{notice.severity}:")


def settings(run: RunRecord) -> None:
    with st.expander("Settings", icon=":material/tune:", key=f"settings-{run.run_id}"):
        groups = executed(run)
        for column, (title, rows) in zip(st.columns(len(groups), gap="medium"), groups.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                st.table(
                    {name: literal(value) for name, value in rows.items()},
                    border="horizontal",
                    alt=f"{title} of this run",
                )


def executed(run: RunRecord) -> dict[str, dict[str, str]]:
    """The spec in groups of readable lines: what ran, never what a form shows now."""
    spec = run.spec
    data = {"Data set": spec.dataset_name or spec.dataset_id}
    if run.n_obs:
        data["Cells × genes"] = f"{count(run.n_obs)} × {count(run.n_vars)}"
    data |= {
        "Batch key": spec.batch_key or "none",
        "Covariates": ", ".join((*spec.categorical_covariate_keys, *spec.continuous_covariate_keys))
        or "none",
        "Training part": f"{percent(spec.train_size)} of the cells",
    }
    model = {
        "Likelihood": spec.gene_likelihood,
        "Dispersion": spec.dispersion,
        "Latent dimensions": str(spec.n_latent),
        "Hidden units × layers": f"{spec.n_hidden} × {spec.n_layers}",
        "Dropout": f"{spec.dropout_rate:g}",
    }
    early = f"after {spec.early_stopping_patience} epochs without progress" if spec.early_stopping else "off"
    training = {
        "Epochs": str(spec.max_epochs),
        "Minibatch size (batch_size)": str(spec.batch_size),
        "Learning rate": f"{spec.lr:g} ({spec.lr_rule}){_over_the_run(spec)}",
        "Validation": f"every {spec.check_val_every_n_epoch} epochs"
        if spec.check_val_every_n_epoch != 1
        else "every epoch",
        "KL warm-up": f"{spec.n_epochs_kl_warmup} epochs" if spec.n_epochs_kl_warmup else "off",
        "Normalisation momentum": f"{spec.norm_momentum:g}",
        "Output begins": "at the average of each gene" if spec.output_start == "gene_means" else "at random",
        "Early stopping": early,
        "Precision": PRECISION_NAMES.get(spec.precision, spec.precision),
        "Seed": str(spec.seed),
    }
    machine = {"Device requested": spec.accelerator, "Device used": run.device or "–"}
    if run.device_name:
        machine["Device name"] = run.device_name
    facts = dict(run.environment)
    ran = facts.pop("engine", "")  # may differ from the one asked for; a notice then says why
    machine["Engine"] = ran or spec.engine
    if ran and ran != spec.engine:
        machine["Engine requested"] = spec.engine
    if run.implementation:
        machine["Implementation"] = run.implementation
    if run.preparation_seconds is not None:
        machine["Setup"] = preparing(run.preparation_seconds)
    machine |= facts
    return {"Data": data, "Model": model, "Training": training, "Machine": machine}


def _over_the_run(spec: RunSpec) -> str:
    words = f", rising over the first {percent(spec.lr_warmup)}" if spec.lr_warmup else ""
    if spec.lr_schedule != "constant":
        words += f", falling to {spec.lr * spec.lr_end:g} ({spec.lr_schedule})"
    return words


def preparing(seconds: float) -> str:
    if seconds < 1:
        return "under a second"
    return f"{duration(seconds)}, mostly once per computer; not part of the training time"


def log(run: RunRecord) -> None:
    panel = st.expander("Log", icon=":material/terminal:", on_change="rerun", key=f"logfile-{run.run_id}")
    if panel.open:
        with panel:
            st.fragment(_log, run_every=None if run.status.is_over else 2.0)(run.run_id)


def _log(run_id: str) -> None:
    text = tail(Path(services.current().runs.log_path(run_id)))
    if not text:
        st.caption("The log is empty.")
        return
    st.code(text, language=None, wrap_lines=True, height=360)
    st.markdown(f"[Download the full log]({download_url(run_id, 'log.txt')})")


def tail(path: Path, limit: int = TAIL) -> str:
    """The end of a log, from the beginning of a line."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - limit))
            data = file.read()
    except FileNotFoundError:
        return ""
    text = data.decode("utf-8", errors="replace")
    return text.partition("\n")[2] if size > limit else text
