"""Writes of runs (``runs``) and of their cells (``cells``)."""
