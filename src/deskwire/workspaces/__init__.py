"""Manage workspaces, Discord servers (guilds) and organizations, and who may do what there."""
