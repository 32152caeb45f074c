"""Render HTML: templates, filters, list links, cached rows, sentences about events."""
