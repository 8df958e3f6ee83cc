"""What the limiter must show: client processes against the simulated service, whose ledger judges."""
