"""Imported once by the process that trainings are forked from. Imports only: nothing may have a thread yet."""

import scvi  # noqa: F401

import backend.analysis
import backend.services
import backend.training  # noqa: F401
