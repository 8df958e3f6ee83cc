"""Step 2: prompts and their immutable versions."""
