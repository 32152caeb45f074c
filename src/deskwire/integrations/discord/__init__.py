"""Receive the events of the Discord bot, and send events in the same format."""
