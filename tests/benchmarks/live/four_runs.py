"""Four runs that gain an epoch a second, past their 400th: all charts of one, its loss beside the others'."""

from __future__ import annotations

import numpy as np
import streamlit as st

from backend.charts import Trail, epoch_seconds_chart, loss_chart, parts_chart, speed_chart, steps_chart
from backend.types import Curves, MetricPoint
from pages.shared.live_chart import live_chart

RUNS, EPOCHS, STEPS = 4, 400, 12
PER_EPOCH = {
    "train_loss": 900,
    "validation_loss": 930,
    "reconstruction_loss_train": 880,
    "reconstruction_loss_validation": 910,
    "kl_local_train": 20,
    "kl_local_validation": 22,
    "epoch_seconds": 1,
    "cells_per_second": 700,
}


def add_epoch(curves: Curves, epoch: int, rng: np.random.Generator) -> None:
    fall = 1 + 0.5 * np.exp(-epoch / 60)
    points = [
        MetricPoint(name, epoch, float(level * fall + rng.normal(0, level / 300)), float(epoch))
        for name, level in PER_EPOCH.items()
    ]
    points += [
        MetricPoint(
            "train_loss_step",
            epoch,
            float(900 * fall + rng.normal(0, 25)),
            epoch - 1 + step / STEPS,
            (epoch - 1) * STEPS + step,
        )
        for step in range(1, STEPS + 1)
    ]
    curves.add(points)


def start() -> tuple[list[Curves], np.random.Generator]:
    rng = np.random.default_rng(0)
    runs = [Curves() for _ in range(RUNS)]
    for curves in runs:
        for epoch in range(1, EPOCHS + 1):
            add_epoch(curves, epoch, rng)
    return runs, rng


@st.fragment(run_every=1)
def charts() -> None:
    runs, rng = st.session_state.runs
    st.session_state.epoch += 1
    for curves in runs:
        add_epoch(curves, st.session_state.epoch, rng)
    trails = [Trail(f"run {number}", "cpu", curves) for number, curves in enumerate(runs, 1)]
    live_chart(loss_chart(trails, revision="four"), key="loss", height=400)
    left, right = st.columns(2)
    with left:
        live_chart(steps_chart(trails[0], revision="one"), key="steps", height=280)
        live_chart(epoch_seconds_chart(trails[0], revision="one"), key="seconds", height=280)
    with right:
        live_chart(parts_chart(trails[0], revision="one"), key="parts", height=280)
        live_chart(speed_chart(trails[0], revision="one"), key="speed", height=280)


st.set_page_config(layout="wide")
if "runs" not in st.session_state:
    st.session_state.runs = start()
    st.session_state.epoch = EPOCHS
charts()
