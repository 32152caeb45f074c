"""Run the command line with `python -m deskwire`."""

from deskwire.cli.main import main

main()
