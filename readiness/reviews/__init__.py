"""Step 3: the human-review queue."""
