"""Cleaning of what an admin types about accounts, deployments and prices."""
