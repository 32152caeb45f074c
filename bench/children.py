"""Run a program within a time limit, and end it with all it started on an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

END_TIMEOUT = 30.0  # s a program has to stop its own servers after SIGINT
LOG_SHOWN = 2_000  # characters from the end of its output, in an error
UNSET = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # would lead the other tree into this one


class ComparisonError(Exception):
    """Raised when a step of a comparison fails; the message says which."""


def run(command: Sequence[str], folder: Path, log: Path, timeout: float, **more: str) -> None:
    """Run `command` in `folder` with `more` in its environment, writing its output to `log`.

    It gets a session of its own, so that Ctrl-C reaches it only through this function, and what it
    leaves behind can be killed as a process group. Raises ComparisonError if it takes longer than
    `timeout` seconds, or exits with a code other than 0.
    """
    environment = {name: value for name, value in os.environ.items() if name not in UNSET} | more
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ComparisonError(f"it took more than {timeout:.0f} s:\n{_end_of(log)}") from None
        finally:
            if process.returncode is None:
                _end(process)
    if code:
        raise ComparisonError(f"it ended with {code}:\n{_end_of(log)}")


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGHUP, so that they clean up as Ctrl-C does."""
    numbers = [signal.SIGTERM, signal.SIGHUP]
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _raise) for number in handled}  # nohup's stays ignored
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Hold signals back until the block ends; a second Ctrl-C must not interrupt the clean-up."""
    blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the program, then kill what is left of its process group."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C waits no longer
        process.wait(END_TIMEOUT)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_TIMEOUT)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-LOG_SHOWN:]
