"""Connect other systems; each has a complete folder: signature, payloads, translation, sender."""
