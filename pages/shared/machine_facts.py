"""The computer in a few lines: memory now, and what it and its software are."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.words import memory_size
from pages.shared.literal import literal


def machine_facts() -> None:
    st.subheader("This computer", anchor=False)
    devices = services.current().devices
    used, available, total = devices.memory()
    facts = [
        ("Memory in total", memory_size(total)),
        ("Free now", memory_size(available)),
        ("Used by scVI Studio", memory_size(used)),
    ]
    with st.grid(3, min_column_width=180):
        for label, value in facts:
            st.metric(label, value, border=True)
    threads = services.current().settings.threads
    machine = devices.machine() | {
        "Threads for training": str(threads)
        if threads
        else "as many as PyTorch chooses (SCVI_STUDIO_THREADS sets it)"
    }
    with st.container(border=True), st.grid(2, min_column_width=320, gap="small"):
        for name, value in machine.items():
            st.markdown(f":gray[{literal(name)}]  \n{literal(value, limit=200)}")
