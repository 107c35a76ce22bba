"""What this computer can train on, why the rest is missing, and how fast it was here."""

from __future__ import annotations

import streamlit as st

from pages.device.computer import accelerator_cards, machine_facts, measured_speed
from pages.device.self_check import self_checks
from pages.device.workers import workers

st.title("Devices", anchor=False)
st.markdown("The devices available for training and their speed. All numbers were measured on this computer.")
accelerator_cards()
workers()
self_checks()
measured_speed()
machine_facts()
