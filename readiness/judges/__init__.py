"""Rubrics for model-based scoring."""
