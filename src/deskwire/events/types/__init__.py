"""Every type of event, in one registry, and the files generated from it."""
