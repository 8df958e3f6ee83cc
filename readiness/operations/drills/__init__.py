"""Drills: what the limiter does in trouble, tried on purpose against the simulated AI service.

A drill runs in an *arena*: a process of its own with an empty Redis and an empty database of its own, into
which the site's tiers are copied. Nothing of it touches the site's queues, money, records or alerts.
"""
