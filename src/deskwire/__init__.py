"""Deskwire: a self-hosted, real-time support desk."""

__version__ = "0.1.0"
