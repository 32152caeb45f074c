"""The command line: `deskwire` and its subcommands."""
