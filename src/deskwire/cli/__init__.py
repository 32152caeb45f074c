"""Provide the command line: `deskwire` and its subcommands."""
