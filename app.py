"""scVI Studio: train scVI on your own single-cell data and watch it live, in the browser.

Start with ``streamlit run app.py`` (or ``make run``); this file only says what the server is made of.
"""

import streamlit as st
from starlette.middleware import Middleware

from pages.server.access import SecurityHeaders
from pages.server.address import base_path
from pages.server.gate import Gate
from pages.server.lifespan import lifespan
from pages.server.log import show_script_error
from pages.server.routes import routes

app = st.App(
    "pages/shell.py",
    lifespan=lifespan,  # builds, starts and closes the services
    routes=routes(base_path()),  # files in and out, without passing through memory
    middleware=[Middleware(SecurityHeaders), Middleware(Gate)],  # whoever may not come in goes no further
    on_script_error=show_script_error,
)
