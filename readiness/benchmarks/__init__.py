"""Step 1: planning, running and comparing benchmarks."""
