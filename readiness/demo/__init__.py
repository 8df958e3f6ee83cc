"""The demo project: a fictional product handbook and what is seeded from it."""
