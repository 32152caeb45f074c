"""Check a commit out beside this tree, set it up, and run its own bench.

The other tree may be laid out differently, so nothing of it is imported here: it is driven by
`scripts/set_up dev` and `python -m bench PART`, and read from the file that this writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.children import ComparisonError, defer_signals, run
from bench.comparison import Result

ROOT = Path(__file__).parent.parent
GIT_TIMEOUT = 120.0  # s
SET_UP_TIMEOUT = 1_800.0  # s; most of it is downloads, where pip's cache is empty
PART_TIMEOUT = 3_600.0  # s; pages fills two archives of 200,000 tickets first
ASK_TIMEOUT = 60.0  # s to import the bench
MEASURED = ("src", "bench", "frontend", "scripts", "tests", "*.lock", ":(exclude)bench/results")
SHOWN = 3  # changed files in an error

LIST_PARTS = "import pathlib, sys; from bench.__main__ import PARTS; " + (
    "pathlib.Path(sys.argv[1]).write_text('\\n'.join(PARTS))"
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout with its environment; its bench writes into `results`."""

    name: str
    folder: Path
    python: Path
    results: Path
    arguments: Sequence[str] = ()

    def measure(self, part: str, scratch: Path) -> Result:
        """Run one part. Raises ComparisonError if it does not succeed or writes no results."""
        file = self.results / f"{part}.json"
        file.unlink(missing_ok=True)  # a checkout contains that of an earlier run
        self._run(("-m", "bench", part, *self.arguments), scratch / "log", PART_TIMEOUT)
        if not file.exists():
            raise ComparisonError(f"{self.name}: the bench wrote no results of {part}")
        result: Result = json.loads(file.read_text())
        return result

    def list_parts(self, scratch: Path) -> list[str]:
        """List the parts its bench knows."""
        answer = scratch / "parts"
        self._run(("-c", LIST_PARTS, str(answer)), scratch / "log", ASK_TIMEOUT)
        return answer.read_text().split()

    def _run(self, words: Sequence[str], log: Path, timeout: float) -> None:
        try:
            run([str(self.python), *words], self.folder, log, timeout)
        except ComparisonError as problem:
            raise ComparisonError(f"{self.name}: the bench failed; {problem}") from None


def describe_current_tree(scratch: Path) -> Tree:
    """Describe this tree as it is; its recorded results are not overwritten."""
    results = scratch / "results"
    return Tree("this tree", ROOT, Path(sys.executable), results, ("--into", str(results)))


@contextmanager
def checked_out(commit: str) -> Iterator[Tree]:
    """Check `commit` out into a temporary folder and set it up; delete it after the block."""
    with tempfile.TemporaryDirectory(prefix="deskwire-against-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)  # root runs PostgreSQL, which is in it, as another user
        folder = scratch / "tree"
        try:
            git("worktree", "add", "--quiet", "--detach", str(folder), commit)
            _set_up(folder, commit, scratch / "log")
            yield Tree(commit, folder, folder / ".venv/bin/python", folder / "bench/results")
        finally:
            with defer_signals():
                _remove(folder)


def find_commit(name: str) -> str:
    """Return the short hash of the commit `name`. Raises ComparisonError if there is none."""
    try:
        full = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except ComparisonError:
        raise ComparisonError(
            f"there is no commit {name!r} in this repository; `git log --oneline` lists those "
            "there are, `git fetch` brings others"
        ) from None
    return git("rev-parse", "--short", full)


def require_clean() -> None:
    """Fail if something that is measured is not committed, as the table names commits."""
    lines = git("status", "--porcelain", "--", *MEASURED).splitlines()
    if lines:
        changed = [line.split(maxsplit=1)[-1] for line in lines]
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise ComparisonError(
            f"not committed: {', '.join(changed[:SHOWN])}{more}. Commit or stash it: the table "
            "says which commits were measured"
        )


def git(*words: str) -> str:
    """Run git in this tree; return its output. Raises ComparisonError with its error message."""
    try:
        result = subprocess.run(
            ["git", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise ComparisonError("comparing commits needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise ComparisonError(f"`git {words[0]}` took more than {GIT_TIMEOUT:.0f} s") from None
    if result.returncode:
        raise ComparisonError(f"`git {words[0]}` failed: {result.stderr.strip()}")
    return result.stdout.strip()


def _set_up(folder: Path, commit: str, log: Path) -> None:
    script = folder / "scripts/set_up"
    if not script.exists():
        raise ComparisonError(
            f"{commit} has no scripts/set_up: it is too old to be set up from here"
        )
    try:
        run([str(script), "dev"], folder, log, SET_UP_TIMEOUT, PYTHON=sys.executable)
    except ComparisonError as problem:
        raise ComparisonError(f"{commit} cannot be set up; {problem}") from None


def _remove(folder: Path) -> None:
    try:
        git("worktree", "remove", "--force", str(folder))
    except ComparisonError as problem:
        if folder.exists():  # else it was never made
            print(f"bench: {problem}; `git worktree prune` forgets it once it is gone")
