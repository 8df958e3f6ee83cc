"""Step 3: spot-checks of production answers."""
