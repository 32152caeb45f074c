"""Turning values into HTML: templates, filters, translations, cached rows."""
