"""The simulated AI service: an OpenAI-compatible process with quotas, latency, faults and hallucination.

It shows the whole product without a key or a bill. Nothing that it says comes from a model: everything it
sends carries the header ``x-simulated: true``.
"""
