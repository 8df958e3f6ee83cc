"""The simulated AI service: OpenAI's and Anthropic's wire, with quotas, latency, faults and hallucination.

It shows the whole product without a key or a bill. Nothing that it says comes from a model: everything it
sends carries the header ``x-simulated: true``.
"""
