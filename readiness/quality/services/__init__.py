"""Writes: what is sampled, what the checks find, and the policy."""
