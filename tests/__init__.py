"""Deskwire's tests."""
