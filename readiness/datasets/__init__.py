"""Datasets, their frozen versions, recorded outputs and importers."""
