"""The one door to AI services."""
