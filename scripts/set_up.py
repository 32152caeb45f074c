"""Set up a checkout: `.venv` from the locks, the front end from its sources. Standard library only.

    set_up.py run          what `deskwire` needs to run, with the database and the file store that
                           DATABASE_URL and FILES_URL name in the environment, .env.local or .env
    set_up.py dev          also what testing, checking and building need
    set_up.py test [ARG…]  the same, and the front end's own tests when no ARG chooses tests;
                           without the front end if every ARG names tests that never serve it
    set_up.py npm SCRIPT   run a script of the front end, after installing its packages

Each step stores a digest of its inputs and is skipped while they stay the same, so that a second
run takes no time. A digest is stored only after the step has succeeded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "frontend"
BUILD_FOLDER = ROOT / "src/deskwire/web/static/dist"
BUILD_OUTPUTS = ("app.js", "app.css", "chart.js", "theme.js")
STAMP_FOLDER = ROOT / ".stamps"  # of the front end; those of the environment are in `.venv`
MIN_NODE_VERSION = 20
PYTHON_VERSION_CHECK = "import sys; sys.exit(sys.version_info < (3, 11))"

LOCKS = {
    # The development lock includes the pins of the other one.
    "run": ("requirements.lock",),
    "dev": ("requirements-dev.lock", "requirements.lock"),
}
# Settings whose values may need more, and the lock of what they need; the dev lock includes it.
OPTIONAL_LOCKS = (
    ("DATABASE_URL", ("postgresql://", "postgres://"), "requirements-postgres.lock"),
    ("FILES_URL", ("s3://",), "requirements-s3.lock"),
)
ENV_FILES = (".env.local", ".env")  # the first that has a setting wins, after the environment
NODE_LOCK = "requirements-node.lock"
PAGELESS_TESTS = ("tests/unit/", "tests/db/")  # they never serve the built front end

LAUNCHER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
from deskwire.cli.main import main

main()
"""


class SetUpError(Exception):
    """Something outside the checkout is missing; the message says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    try:
        match list(arguments):
            case [("run" | "dev") as kind]:
                set_up(kind)
            case ["test", *chosen]:
                set_up("dev", with_frontend=not _serves_no_page(chosen))
                if not chosen:
                    run_frontend_script("test")
                elif not _serves_no_page(chosen):
                    run_frontend_script("build:tests")  # what the browser tests put into pages
            case ["npm", script]:
                run_frontend_script(script)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except SetUpError as problem:
        print(f"Deskwire: {problem}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        print(f"Deskwire: `{_format_command(failure.cmd)}` failed; see above.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def set_up(kind: str, *, with_frontend: bool = True) -> None:
    """Set up everything that `make run` or `make test` needs."""
    ensure_venv()
    ensure_locked(*LOCKS[kind])
    for lock in find_optional_locks() if kind == "run" else ():
        ensure_locked(lock)
    ensure_project()
    if with_frontend:
        ensure_frontend()


def find_optional_locks() -> list[str]:
    """Return the locks of what the database and the file store of the settings need."""
    return [
        lock for name, prefixes, lock in OPTIONAL_LOCKS if read_setting(name).startswith(prefixes)
    ]


def read_setting(name: str) -> str:
    """Read a setting as the server does, but only the simple forms; empty if it is not set."""
    assignment = re.compile(rf"\s*(?:export\s+)?{name}\s*=\s*(.*)", re.IGNORECASE)
    values = [os.environ.get(name, "")]
    for path in (ROOT / each for each in ENV_FILES):
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        found = [match[1] for line in lines if (match := assignment.fullmatch(line))]
        values += [value.strip().strip("'\"") for value in found[-1:]]
    return next((value for value in values if value), "")


def run_frontend_script(name: str) -> None:
    """Run a script of frontend/package.json, after installing its packages."""
    ensure_packages()
    run_npm("run", name)


def _serves_no_page(chosen: Sequence[str]) -> bool:
    paths = [each for each in chosen if each.startswith("tests/")]
    return bool(paths) and all(each.startswith(PAGELESS_TESTS) for each in paths)


def ensure_venv() -> None:
    """Create the virtual environment unless its Python works."""
    if PYTHON.exists() and _succeeds([PYTHON, "-c", PYTHON_VERSION_CHECK]):
        return
    print_step(f"Creating .venv with Python {sys.version_info[0]}.{sys.version_info[1]}")
    if not _succeeds([sys.executable, "-m", "venv", "--clear", VENV]):
        raise SetUpError(
            f"{sys.executable} cannot make a virtual environment. On Debian and Ubuntu: "
            "apt-get install python3-venv"
        )


def ensure_locked(lock: str, *implied_locks: str) -> None:
    """Install what `lock` names with pip; it contains the pins of `implied_locks` too."""
    if is_stamped(VENV / "stamps" / lock, compute_digest([ROOT / lock])):
        return
    if not _succeeds([PYTHON, "-m", "pip", "--version"]):
        run([PYTHON, "-m", "ensurepip", "--upgrade"])
    print_step(f"Installing {lock}")
    run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", ROOT / lock])
    for each in (lock, *implied_locks):
        write_stamp(VENV / "stamps" / each, compute_digest([ROOT / each]))


def ensure_project() -> None:
    """Write `.venv/bin/deskwire`, which runs from src/: nothing to build, nothing to download."""
    launcher = VENV / "bin" / "deskwire"
    script = LAUNCHER.format(python=PYTHON)
    if launcher.exists() and launcher.read_text() == script:
        return
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([PYTHON, "-c", query], check=True, capture_output=True, text=True)
    (Path(packages.stdout.strip()) / "deskwire-from-source.pth").write_text(f"{ROOT / 'src'}\n")
    launcher.write_text(script)
    launcher.chmod(0o755)


def ensure_frontend() -> None:
    """Build the front end if its sources have changed."""
    digest = compute_digest(_frontend_sources())
    if all((BUILD_FOLDER / name).exists() for name in BUILD_OUTPUTS) and is_stamped(
        STAMP_FOLDER / "front", digest
    ):
        return
    ensure_packages()
    print_step("Building the front end")
    run_npm("run", "build")
    write_stamp(STAMP_FOLDER / "front", digest)


def ensure_packages() -> None:
    """Install the front end's packages from its lock."""
    digest = compute_digest([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    if (FRONTEND / "node_modules").is_dir() and is_stamped(STAMP_FOLDER / "npm", digest):
        return
    print_step("Installing frontend/package-lock.json")
    run_npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
    write_stamp(STAMP_FOLDER / "npm", digest)


def run_npm(*arguments: str) -> None:
    """Run npm in frontend/, with a Node that is new enough."""
    environment = dict(os.environ)
    if not has_node():
        ensure_venv()
        ensure_locked(NODE_LOCK)
        environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    program = shutil.which("npm", path=environment["PATH"])
    run([program or "npm", "--silent", *arguments], cwd=FRONTEND, env=environment)


def has_node() -> bool:
    """Whether Node MIN_NODE_VERSION or newer is on the path, with npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    result = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
    major = result.stdout.strip().removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= MIN_NODE_VERSION


def _frontend_sources() -> Iterator[Path]:
    """Yield the inputs of the front end; Tailwind reads class names from the templates."""
    for pattern in ("src/**/*", "scripts/*", "*.json"):
        yield from FRONTEND.glob(pattern)
    yield from (ROOT / "src/deskwire/web/templates").glob("**/*")


def compute_digest(files: Sequence[Path] | Iterator[Path]) -> str:
    """Hash the names and contents of some files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()


def is_stamped(stamp_file: Path, digest: str) -> bool:
    return stamp_file.exists() and stamp_file.read_text() == digest


def write_stamp(stamp_file: Path, digest: str) -> None:
    stamp_file.parent.mkdir(parents=True, exist_ok=True)
    stamp_file.write_text(digest)


def run(command: Sequence[str | Path], **more: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **more)  # type: ignore[call-overload]


def print_step(sentence: str) -> None:
    print(f"{sentence} …", flush=True)


def _succeeds(command: Sequence[str | Path]) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(command, check=False, stdout=quiet, stderr=quiet).returncode == 0


def _format_command(command: Sequence[str]) -> str:
    return " ".join(Path(command[0]).name if n == 0 else part for n, part in enumerate(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
