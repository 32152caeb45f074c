"""Serve account pages: sign-in, sign-up, passwords, recovery, and the session cookie."""
