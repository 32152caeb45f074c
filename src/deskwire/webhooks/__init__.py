"""Webhooks that come in: checked, kept, answered, and only then understood."""
