"""Workspaces: Discord servers (guilds) and organizations, and who may do what in them."""
