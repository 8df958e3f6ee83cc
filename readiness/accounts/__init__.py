"""The user model, sign-in and the audit log."""
