"""`python -m deskwire`: the same as `deskwire`."""

from deskwire.cli import main

main()
