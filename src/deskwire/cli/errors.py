"""Report errors of commands as sentences on standard error, with an exit code.

1: the command failed. 2: the command line is wrong. 0: the reader of our output closed the pipe
(`| head`), which is not an error.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deskwire.kit.errors import Refusal


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn expected errors into sentences on standard error, and exit."""
    try:
        yield
    except Refusal as refusal:
        for sentence in str(refusal).splitlines():
            print(f"deskwire: {sentence}", file=sys.stderr)
        raise SystemExit(1) from None
    except (OSError, sqlite3.Error) as error:
        if not isinstance(error, BrokenPipeError):
            print(f"deskwire: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's own class for usage errors is private
            raise SystemExit(_report_usage_error(error)) from None
        if type(error).__module__ != "sqlalchemy.exc":
            raise
        print(f"deskwire: database error: {getattr(error, 'orig', error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _report_usage_error(error: Any) -> int:  # noqa: ANN401
    """Print a usage error; return the exit code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    sentence = " ".join(error.format_message().split())
    command = context.command_path if context is not None else "deskwire"
    print(f"deskwire: {sentence} See `{command} --help`.", file=sys.stderr)
    return int(error.exit_code)
