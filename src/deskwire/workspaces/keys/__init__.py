"""Manage API keys: who may create them, and what they see."""
