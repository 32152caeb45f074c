"""Benchmark Deskwire: one command (`python -m bench`), one table, ratios taken within one run."""
