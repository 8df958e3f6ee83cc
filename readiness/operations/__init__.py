"""Step 6: the limits page and the tier form."""
