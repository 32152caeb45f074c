"""`python -m deskwire`: the same as `deskwire`."""

from deskwire.cli.main import main

main()
