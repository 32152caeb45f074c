"""Other systems, each in a folder that is complete: signature, payloads, translation, client."""
