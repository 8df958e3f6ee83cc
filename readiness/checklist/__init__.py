"""The six steps: criteria, evidence, verdicts."""
