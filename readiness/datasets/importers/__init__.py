"""Readers of files: bytes in, drafts and issues out; no rows, no requests."""
