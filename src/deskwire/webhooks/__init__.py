"""Receive webhooks: verify them, store them, answer, and only then process them."""
