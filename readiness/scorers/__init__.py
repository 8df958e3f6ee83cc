"""Pure scoring: an answer in, a score out; no database, no network."""
