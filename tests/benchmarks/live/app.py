"""A dashboard with one page, for the benchmark of live updates: the application's own charts and routes."""

import streamlit as st

from pages.server.routes import ROUTES

app = st.App("four_runs.py", routes=ROUTES)
