"""Running the whole product on one machine: what ``make up`` does."""
