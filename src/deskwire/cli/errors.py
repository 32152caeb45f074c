"""What the shell refuses, as sentences on standard error and an exit code.

Code 1: refused. 2: the command itself is mistyped. 0: the reader of our output has gone (`| head`),
and nothing is wrong.
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
    """Turn what is refused into one sentence on standard error."""
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
        if hasattr(error, "format_message"):  # Typer's own class for it is private
            raise SystemExit(_report_usage_error(error)) from None
        if type(error).__module__ != "sqlalchemy.exc":
            raise
        print(f"deskwire: the database refused: {getattr(error, 'orig', error)}", file=sys.stderr)
        raise SystemExit(1) from None


def _report_usage_error(error: Any) -> int:  # noqa: ANN401
    """Say what is wrong with the command itself; the exit code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(error.exit_code)
    sentence = " ".join(error.format_message().split())
    where = context.command_path if context is not None else "deskwire"
    print(f"deskwire: {sentence} See `{where} --help`.", file=sys.stderr)
    return int(error.exit_code)
