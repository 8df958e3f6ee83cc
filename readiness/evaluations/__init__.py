"""The one resumable runner: runs, cells, leases, budgets."""
