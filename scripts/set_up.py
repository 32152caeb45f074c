"""Sets the house up: `.venv` from the locks, the front end from its sources. Standard library only.

    set_up.py run          what `deskwire` needs to run
    set_up.py dev          what testing, checking and building need beside it
    set_up.py npm SCRIPT   one of the front end's scripts, after its packages are there

Each step notes a digest of what it was made from and is left out while that stays the same, so a
second run takes no time. Nothing is stamped before it has succeeded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "frontend"
BUILT = ROOT / "src/deskwire/web/static/dist"
OUTPUTS = ("app.js", "app.css", "chart.js", "theme.js")
STAMPS = ROOT / ".stamps"  # of the front end; those of the environment lie in it
OLDEST_NODE = 20
IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"

LOCKS = {
    # A development environment can also run: its lock holds the other one's pins.
    "run": ("requirements.lock",),
    "dev": ("requirements-dev.lock", "requirements.lock"),
}
NODE_LOCK = "requirements-node.lock"

LAUNCHER = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
from deskwire.cli.main import main

main()
"""


class Impossible(Exception):
    """Something outside the house is missing; the message says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; gives the exit code."""
    try:
        match list(arguments):
            case [("run" | "dev") as kind]:
                set_up(kind)
            case ["npm", script]:
                ensure_packages()
                npm("run", script)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Impossible as problem:
        print(f"Deskwire: {problem}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        print(f"Deskwire: `{_shown(failure.cmd)}` failed; see above.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def set_up(kind: str) -> None:
    """Everything `make run` or `make test` stands on."""
    ensure_venv()
    ensure_locked(*LOCKS[kind])
    ensure_project()
    ensure_frontend()


def ensure_venv() -> None:
    """A virtual environment whose Python runs."""
    if PYTHON.exists() and _is_fine([PYTHON, "-c", IS_NEW_ENOUGH]):
        return
    say(f"Making .venv with Python {sys.version_info[0]}.{sys.version_info[1]}")
    if not _is_fine([sys.executable, "-m", "venv", "--clear", VENV]):
        raise Impossible(
            f"{sys.executable} cannot make a virtual environment. On Debian and Ubuntu: "
            "apt-get install python3-venv"
        )


def ensure_locked(lock: str, *contained: str) -> None:
    """What `lock` names, installed by plain pip; it `contained` other locks' pins too."""
    if is_fresh(VENV / "stamps" / lock, digest_of([ROOT / lock])):
        return
    if not _is_fine([PYTHON, "-m", "pip", "--version"]):
        run([PYTHON, "-m", "ensurepip", "--upgrade"])
    say(f"Installing {lock}")
    run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", ROOT / lock])
    for each in (lock, *contained):
        stamp(VENV / "stamps" / each, digest_of([ROOT / each]))


def ensure_project() -> None:
    """`deskwire` in .venv/bin, running from src/: nothing to build, nothing to fetch."""
    launcher = VENV / "bin" / "deskwire"
    script = LAUNCHER.format(python=PYTHON)
    if launcher.exists() and launcher.read_text() == script:
        return
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True)
    (Path(packages.stdout.strip()) / "deskwire-from-source.pth").write_text(f"{ROOT / 'src'}\n")
    launcher.write_text(script)
    launcher.chmod(0o755)


def ensure_frontend() -> None:
    """The built front end, made again only when its sources changed."""
    made_from = digest_of(_sources())
    if all((BUILT / name).exists() for name in OUTPUTS) and is_fresh(STAMPS / "front", made_from):
        return
    ensure_packages()
    say("Building the front end")
    npm("run", "build")
    stamp(STAMPS / "front", made_from)


def ensure_packages() -> None:
    """The front end's packages, as its lock names them."""
    made_from = digest_of([FRONTEND / "package.json", FRONTEND / "package-lock.json"])
    if (FRONTEND / "node_modules").is_dir() and is_fresh(STAMPS / "npm", made_from):
        return
    say("Installing frontend/package-lock.json")
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
    stamp(STAMPS / "npm", made_from)


def npm(*arguments: str) -> None:
    """Run npm in frontend/, with a Node that is new enough."""
    environment = dict(os.environ)
    if not has_node():
        ensure_venv()
        ensure_locked(NODE_LOCK)
        environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    program = shutil.which("npm", path=environment["PATH"])
    run([program or "npm", "--silent", *arguments], cwd=FRONTEND, env=environment)


def has_node() -> bool:
    """Whether a Node of ours or newer is on the path, with its npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    asked = subprocess.run([node, "--version"], check=False, capture_output=True, text=True)
    major = asked.stdout.strip().removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= OLDEST_NODE


def _sources() -> Iterator[Path]:
    """What the front end is built from; Tailwind looks for class names in the templates."""
    for pattern in ("src/**/*", "scripts/*", "*.json"):
        yield from FRONTEND.glob(pattern)
    yield from (ROOT / "src/deskwire/web/templates").glob("**/*")


def digest_of(files: Sequence[Path] | Iterator[Path]) -> str:
    """What some files hold, under which names."""
    found = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return found.hexdigest()


def is_fresh(note: Path, made_from: str) -> bool:
    return note.exists() and note.read_text() == made_from


def stamp(note: Path, made_from: str) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(made_from)


def run(command: Sequence[str | Path], **more: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **more)  # type: ignore[call-overload]


def say(sentence: str) -> None:
    print(f"{sentence} …", flush=True)


def _is_fine(command: Sequence[str | Path]) -> bool:
    quiet = subprocess.DEVNULL
    return subprocess.run(command, check=False, stdout=quiet, stderr=quiet).returncode == 0


def _shown(command: Sequence[str]) -> str:
    return " ".join(Path(command[0]).name if n == 0 else part for n, part in enumerate(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
