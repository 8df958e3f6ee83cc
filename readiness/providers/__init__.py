"""Provider accounts, deployments, prices and the clients that speak to AI services."""
