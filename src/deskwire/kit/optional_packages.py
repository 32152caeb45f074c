"""Name the packages that only some settings need, and the command that installs them."""

from __future__ import annotations

import shlex
import sys

POSTGRES_PACKAGE = "psycopg[binary]>=3.2"  # as the extra `postgres` in pyproject.toml
S3_PACKAGE = "obstore>=0.12"  # as the extra `s3`


def install_command(package: str) -> str:
    """Return the command that installs a package for the Python that runs us.

    It works in a clone and with an installed wheel: `deskwire[postgres]` would only be found if
    Deskwire itself were published.
    """
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(package)}"
