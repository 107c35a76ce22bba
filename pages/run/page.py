"""One run, live or finished: what it does, how it goes, what can be done with it.

    run_view(run_id)        # the whole page; an unknown run is a sentence and a way back

Everything shown comes from the registry, so a reload, a second tab and a second browser see the same. The live part
asks for news every second or two while the run is active; later only whether it was taken up again.
"""

from __future__ import annotations

import math
import time

import streamlit as st

from backend import services
from backend.errors import NotFound
from backend.types import Curves, RunRecord, RunStatus
from backend.words import ago, counted, duration, status_word
from pages.run.actions import actions, problem
from pages.run.curves import dark_page, loss_card, more_charts, watched
from pages.run.details import log, remarks, settings, warnings
from pages.run.downloads import downloads
from pages.run.latent import latent_card, seen
from pages.run.numbers import computed_by, numbers, trail, verdict
from pages.shared.actions import flash
from pages.shared.literal import literal
from pages.shared.run_status import queue, run_badge


def elapsed(run: RunRecord, curves: Curves) -> float:
    """Training time so far: the newest point knows more than the record, which is written per epoch."""
    last = max(
        (s[-1] for s in (curves["train_loss_step"].seconds, curves["train_loss"].seconds) if s), default=0.0
    )
    return max(run.elapsed, last)


def fraction(run: RunRecord, curves: Curves) -> float:
    """Part of all epochs that is done, counting the steps of the epoch in progress."""
    total = max(1, run.spec.max_epochs)
    steps = curves["train_loss_step"]
    inside = 0.0
    if len(steps) and steps.epoch[-1] == run.epoch + 1 and run.n_obs:
        per_epoch = math.ceil(run.n_obs * run.spec.train_size / run.spec.batch_size)
        inside = min(1.0, max(0.0, (steps.order[-1] - run.epoch * per_epoch) / per_epoch))
    return min(1.0, max(0.0, (run.epoch + inside) / total))


def progress(run: RunRecord, curves: Curves) -> None:
    trouble = services.current().runs.trouble()
    text = f"On hold: {literal(trouble, limit=400)}" if trouble else what_it_does(run, _held_up(run))
    st.progress(fraction(run, curves), text=text)


def _held_up(run: RunRecord) -> str:
    """What the server does before the first run of the queue, where that is this one."""
    runs = services.current().runs
    first = run.status is RunStatus.QUEUED and runs.active() is None and runs.queue()[:1] == [run]
    return (runs.holds_up() or _analysis()) if first else ""


def _analysis() -> str:
    job = services.current().analyses.active()
    return f"first {literal(job.title, limit=90)}" if job else ""


def what_it_does(run: RunRecord, held_up: str = "") -> str:
    if run.requested == "stop":
        return "Stopping after the current minibatch; the model is kept"
    if run.requested == "cancel":
        return "Cancelling; nothing is kept"
    if run.status is RunStatus.QUEUED:
        return f"Starting soon: {held_up}" if held_up else "Queued"
    if run.status.is_over:
        return f"{status_word(run.status).capitalize()} after {counted(run.epoch, 'epoch')}"
    if run.phase and run.phase != "training":
        return run.phase[0].upper() + run.phase[1:]
    return f"Training: epoch {min(run.epoch + 1, run.spec.max_epochs)} of {run.spec.max_epochs}"


def tab_title(run: RunRecord) -> None:
    """Progress or outcome first, where a narrow browser tab still shows it."""
    match run.status:
        case RunStatus.QUEUED:
            sign = "queued"
        case RunStatus.RUNNING:
            sign = f"{run.epoch}/{run.spec.max_epochs}"
        case RunStatus.FINISHED:
            sign = "✓ finished"
        case _:
            sign = f"{'■' if run.status.has_model else '!'} {status_word(run.status)}"
    st.set_page_config(page_title=f"{sign} – {run.name} – scVI Studio")


QUICK = 100  # epochs of a run that is looked at every second; of a longer one that would be more than is seen
_SEEN = "run_view_seen"
VERDICT_ICONS = {
    "early": "hourglass_empty",
    "improving": "trending_down",
    "level": "trending_flat",
    "overfitting": "call_split",
    "worse": "trending_up",
}


def run_view(run_id: str) -> None:
    try:
        run = services.current().runs.get(run_id)
    except NotFound:
        _unknown()
        return
    _announce_end(run)
    if st.query_params.get("stage") == "1":
        _stage(run)
        return
    header(run)
    with st.container():  # always there, so that what follows keeps its place and is not mounted anew
        flash()
        problem(run)
        warnings(run)
        if run.status is RunStatus.QUEUED and services.current().runs.active() is not None:
            queue(run_id)
    active = not run.status.is_over
    every = 1.0 if run.spec.max_epochs <= QUICK else 2.0
    st.fragment(_live, run_every=every if active else None)(run_id, _state(run), False)
    with st.container():
        if run.status.has_model or run.imported_from:
            downloads(run)
    remarks(run)
    settings(run)
    log(run)
    if not active:
        _look_again(run_id, _state(run))


def _stage(run: RunRecord) -> None:
    """The run for a projector: its loss and its cells in large, and how far it is."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.header(literal(run.name, limit=80), anchor=False, width="content")
            run_badge(run.status)
        st.page_link(
            "train/page.py",
            label="Exit presentation",
            icon=":material/close:",
            query_params={"run": run.run_id},
            width="content",
        )
    active = not run.status.is_over
    st.fragment(_live, run_every=1.0 if active else None)(run.run_id, _state(run), True)
    if not active:
        _look_again(run.run_id, _state(run))


def has_cells(run: RunRecord) -> bool:
    """Whether there is a latent space to look into; a run from elsewhere may have come without."""
    return not run.imported_from or (services.current().runs.run_dir(run.run_id) / "latent.npy").is_file()


def _unknown() -> None:
    st.title("Run not found", anchor=False)
    st.markdown("It was deleted, or the address belongs to another workspace.")
    st.page_link("runs/page.py", label="All runs", icon=":material/history:")
    st.page_link("train/page.py", label="Start a new run", icon=":material/play_arrow:")


def header(run: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.header(literal(run.name, limit=80), anchor=False, width="content")
            run_badge(run.status)
            for tag in run.tags:
                st.badge(literal(tag, limit=40), color="gray")
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            # the menu's own entry keeps the address as it is, so the way back to the form is a button
            st.button(
                "New run", type="tertiary", icon=":material/add_circle:", on_click=st.query_params.clear
            )
            actions(run)
            if run.status.has_model and has_cells(run):
                st.page_link(
                    "explore/page.py",
                    label="Open the UMAP",
                    icon=":material/bubble_chart:",
                    query_params={"run": run.run_id},
                )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(_about(run), width="content")
        st.page_link(
            "train/page.py",
            label="Present",
            icon=":material/present_to_all:",
            help="Loss and latent space alone, in large, for a projector.",
            query_params={"run": run.run_id, "stage": "1"},
            width="content",
        )


def _about(run: RunRecord) -> str:
    parts = [literal(run.spec.dataset_name or run.spec.dataset_id, limit=60)]
    if run.device:
        where = (
            f"ran on {run.device.split(':')[0].upper()}" if run.status.is_over else f"on {run.device.upper()}"
        )
        parts.append(f"{where} ({literal(run.device_name, limit=60)})" if run.device_name else where)
        parts.append(literal(computed_by(run)))
    when = ("started", run.started_at) if run.started_at else ("added", run.created_at)
    parts.append(f"{when[0]} {ago(when[1], time.time())}")
    if run.imported_from:
        parts.append(f"imported from {literal(run.imported_from, limit=80)}")
    elif run.origin != "dashboard":
        parts.append(f"from the {literal(run.origin)}")
    return " · ".join(parts)


def _state(run: RunRecord) -> tuple[object, ...]:
    """What the still part of the page was drawn from; when it changes, the whole page is drawn anew."""
    return (
        run.status,
        run.requested,
        run.name,
        run.tags,
        run.problem,
        run.notices,
        run.started_at,
        run.device,
        seen(run),
    )


@st.fragment(run_every=3.0)
def _look_again(run_id: str, drawn: tuple[object, ...]) -> None:
    """Another tab, or the command line, may resume, rename or delete a run that is over. Draws nothing."""
    try:
        run = services.current().runs.get(run_id)
    except NotFound:
        st.rerun()
    if _state(run) != drawn:
        st.rerun()


def _live(run_id: str, drawn: tuple[object, ...], stage: bool) -> None:
    try:
        run = services.current().runs.get(run_id)
    except NotFound:
        st.rerun()
    if _state(run) != drawn:
        st.rerun()
    curves = watched(run)
    over = run.status.is_over
    tab_title(run)
    progress(run, curves)
    numbers(run, curves, elapsed(run, curves), dark=dark_page())
    if over and not run.epoch:
        st.info(
            "This run ended before its first epoch, so there are no training curves.",
            icon=":material/show_chart:",
        )
        return
    shown = trail(run, curves)
    left, right = st.columns(2, gap="small")
    with left:
        axis = loss_card(run_id, shown, stage=stage)
    with right:
        latent_card(run, stage=stage)
    if stage:
        return
    said = verdict(curves, run.spec, over=over)
    st.markdown(f":material/{VERDICT_ICONS[said.kind]}: {literal(said.text, limit=400)}")
    more_charts(run_id, shown, axis)


def _announce_end(run: RunRecord) -> None:
    """A toast, once, in each session that saw the run going."""
    seen: dict[str, RunStatus] = st.session_state.setdefault(_SEEN, {})
    before = seen.get(run.run_id)
    seen[run.run_id] = run.status
    if before is None or before.is_over or not run.status.is_over:
        return
    name = f"**{literal(run.name, limit=60)}**"
    match run.status:
        case RunStatus.FINISHED:
            text = f"{name} finished: {counted(run.epoch, 'epoch')} in {duration(run.elapsed)}."
            st.toast(text, icon=":material/check_circle:", duration="long")
        case RunStatus.STOPPED:
            text = f"{name} stopped after {counted(run.epoch, 'epoch')}. The model is kept."
            st.toast(text, icon=":material/stop_circle:", duration="long")
        case RunStatus.CANCELED:
            st.toast(f"{name} was cancelled.", icon=":material/cancel:", duration="long")
        case _:
            st.toast(f"{name} ended early.", icon=":material/error:", duration="long")
