"""The still part of a run's page: notices, the settings as executed, the log."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from backend import services
from backend.types import RunRecord
from backend.words import count, duration, sentence, setting_rows
from pages.server.routes import download_url
from pages.shared.literal import literal

TAIL = 64 * 1024  # bytes of the log that a page shows


def warnings(run: RunRecord) -> None:
    """What must be seen before the curves."""
    for notice in run.notices:
        if notice.severity == "warning":
            st.warning(literal(sentence(notice), limit=600), icon=":material/warning:")


def remarks(run: RunRecord) -> None:
    """What is good to know: folded, so that the curves stay in the first screen."""
    told = [sentence(notice) for notice in run.notices if notice.severity != "warning"]
    if not told:
        return
    with st.expander(f"Notes ({len(told)})", icon=":material/info:", key=f"notes-{run.run_id}"):
        st.markdown("\n".join(f"- {literal(text, limit=600)}" for text in told))


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
    rows = setting_rows(spec)
    data = {"Data set": spec.dataset_name or spec.dataset_id}
    if run.n_obs:
        data["Cells × genes"] = f"{count(run.n_obs)} × {count(run.n_vars)}"
    machine = {"Device requested": spec.accelerator, "Device used": run.device or "–"}
    if run.device_name:
        machine["Device name"] = run.device_name
    if run.worker:
        machine["Worker"] = run.worker
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
    return rows | {"Data": data | rows["Data"], "Machine": machine}


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
