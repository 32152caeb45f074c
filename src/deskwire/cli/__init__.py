"""Provide the command `deskwire` and its subcommands."""
