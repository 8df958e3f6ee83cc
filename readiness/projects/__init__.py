"""Projects, memberships, roles, tiers and access to all of them."""
