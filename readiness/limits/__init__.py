"""The shared limiter: one fair queue per upstream, kept in Redis."""
