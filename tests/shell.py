"""The shell's commands in this process: what they print, without half a second for a start.

    shell = Shell(monkeypatch, capsys, DATABASE_URL=f"sqlite:///{path}")
    assert shell.refuse("migrate") == "deskwire: …"

An exception that the shell would show as a traceback comes through as itself.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from deskwire.cli.main import main


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Shell:
    """`deskwire …` with an environment of its own."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        **environment: str,
    ) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    def run(self, *arguments: str) -> Said:
        """Whatever comes of it."""
        self._monkeypatch.setattr(sys, "argv", ["deskwire", *arguments])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        printed = self._capsys.readouterr()
        return Said(code if isinstance(code, int) else 0, printed.out, printed.err)

    def do(self, *arguments: str) -> str:
        """What a command that must succeed prints."""
        said = self.run(*arguments)
        assert said.code == 0, said
        return said.out

    def refuse(self, *arguments: str) -> str:
        """The sentence of a command that must be refused."""
        said = self.run(*arguments)
        assert said.code == 1, said
        assert said.err.startswith("deskwire: "), said
        return said.err
