"""One card per kind of device: there or not, in words, with what to install where it is missing."""

from __future__ import annotations

import streamlit as st

from backend import services
from backend.errors import StudioError
from backend.types import Accelerator
from backend.words import memory_size
from pages.shared.literal import literal

ICONS = {"cpu": "memory", "mps": "laptop_mac", "cuda": "developer_board"}


def accelerator_cards() -> None:
    devices = services.current().devices
    accelerators = devices.accelerators()
    try:
        suggested = devices.resolve("auto").name
    except StudioError:
        suggested = ""
    with st.grid(3, min_column_width=300):
        for accelerator in accelerators:
            with st.container(border=True, height="stretch"):
                _card(accelerator, suggested == accelerator.name)


def _card(accelerator: Accelerator, suggested: bool) -> None:
    icon = ICONS.get(accelerator.name, "memory")
    st.markdown(f"#### :material/{icon}: {literal(accelerator.label)}")
    with st.container(horizontal=True):
        if accelerator.available:
            st.badge("ready", icon=":material/check_circle:", color="green")
            if suggested:
                st.badge("used unless you choose another", icon=":material/star:", color="blue")
        else:
            st.badge("not available", icon=":material/block:", color="gray")
    if accelerator.device_name:
        st.markdown(literal(accelerator.device_name, limit=200))
    if accelerator.memory_bytes:
        st.caption(f"{memory_size(accelerator.memory_bytes)} of memory")
    if accelerator.warning:
        st.warning(literal(accelerator.warning, limit=400), icon=":material/warning:")
    if accelerator.reason:
        st.markdown(literal(accelerator.reason, limit=400))
    if accelerator.remedy:
        st.caption(f":material/build: {literal(accelerator.remedy, limit=400)}")
