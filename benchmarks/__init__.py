"""Performance scripts: each prints one JSON line per figure. They are not tests."""
