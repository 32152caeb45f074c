"""Check what the repository may not contain: registry hosts, local paths, retired names."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from deskwire.kit.optional_packages import POSTGRES_PACKAGE, S3_PACKAGE
from tests.contracts.source_files import (
    REPOSITORY_ROOT,
    SourceModule,
    iter_functions,
    list_modules,
    list_tracked_files,
    read_file,
)

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-node.lock",
    "requirements-postgres.lock",
    "requirements-s3.lock",
    "frontend/package-lock.json",
)

# In parts, so that this file does not hold them either.
HOSTS = ("pypi" + ".org", "python" + "hosted", "npm" + "js", "npm" + "mirror", "yarn" + "pkg")
MACHINE_PATHS = (
    r"/work" + r"/(main|shared)",
    r"/tmp" + r"/w\b",
    r"/root" + r"/",
    r"/opt" + r"/wheels",
)
ARRANGEMENTS = (r"\bissues? #?\d+\b(?!\d)", "/wt" + "-")

BANNED_WORDS = {"Manager", "Helper", "Helpers", "Util", "Utils", "Handler", "Base", "Data", "Info"}
BANNED_VERBS = {"process", "handle"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_url(lock: str) -> None:
    assert "://" not in read_file(lock), (
        f"{lock} names a host: write it again (make lock, npm relock)"
    )


@pytest.mark.parametrize("lock", [name for name in LOCKS if name.endswith(".lock")])
def test_every_locked_package_is_pinned_by_hash(lock: str) -> None:
    pins = read_file(lock).replace("\\\n", " ").splitlines()

    for pin in pins:
        if not pin.startswith("#"):
            assert re.match(r"[a-z0-9._-]+==\S+ ", pin), f"{lock}: {pin[:60]}"
            assert "--hash=sha256:" in pin, f"{lock}: {pin[:60]} has no hash"


def test_every_dependency_is_in_its_lock_file() -> None:
    project = tomllib.loads(read_file("pyproject.toml"))
    groups = project["dependency-groups"]
    wanted = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": [
            each
            for name in ("test", "lint", "bench", "build")
            for each in groups[name] + project["project"]["dependencies"]
        ],
        "requirements-node.lock": groups["node"],
        "requirements-postgres.lock": groups["postgres"],
        "requirements-s3.lock": groups["s3"],
    }
    for lock, requirements in wanted.items():
        names = {re.split(r"[<>=~!\[; ]", each)[0].lower() for each in requirements}
        missing = names - set(pins_of(lock))
        assert not missing, f"{lock} does not hold {sorted(missing)}: run `make lock`"


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-postgres.lock", "requirements-s3.lock"]
)
def test_the_development_lock_has_the_versions_of_the_others(lock: str) -> None:
    ours, theirs = pins_of("requirements-dev.lock"), pins_of(lock)

    assert theirs.items() <= ours.items(), "the locks differ: run `make lock`"


def test_optional_packages_are_named_alike_everywhere() -> None:
    project = tomllib.loads(read_file("pyproject.toml"))
    named = {"postgres": [POSTGRES_PACKAGE], "s3": [S3_PACKAGE]}

    assert project["project"]["optional-dependencies"] == named, "kit/optional_packages.py differs"
    assert named.items() <= project["dependency-groups"].items(), "the groups differ"


def test_no_file_names_a_registry_or_host() -> None:
    for path in list_tracked_files():
        text = "" if path.endswith(".png") else read_file(path)
        for host in HOSTS:
            assert host not in text, f"{path} names the registry {host}"
        for pattern in (*MACHINE_PATHS, *ARRANGEMENTS):
            found = re.search(pattern, text)
            assert found is None, f"{path} names {found[0]!r}, which is of no use to its reader"


def test_no_generated_file_is_tracked() -> None:
    made = re.compile(r"(^|/)(node_modules|__pycache__|dist|\.venv|\.demo)/|\.(pyc|db|whl)$")

    assert [path for path in list_tracked_files() if made.search(path)] == []


def test_every_tracked_file_is_text_or_an_image() -> None:
    for path in list_tracked_files():
        if not path.endswith(".png"):
            assert b"\0" not in (REPOSITORY_ROOT / path).read_bytes(), (
                f"{path} is neither text nor a picture"
            )


def test_no_name_uses_a_banned_word() -> None:
    for module in list_modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                words = set(re.findall(r"[A-Z][a-z0-9]*", node.name))
                where = f"{module.path}:{node.lineno} {node.name}"
                assert not words & BANNED_WORDS, f"{where}: name what it is"
        for function in iter_functions(module.tree):
            where = f"{module.path}:{function.lineno} {function.name}"
            assert function.name.strip("_") not in BANNED_VERBS, f"{where}: name what it does"


def test_every_numeric_constant_states_its_unit() -> None:
    for module in list_modules():
        lines = module.text.splitlines()
        for name, line in bare_numbers(module):
            where = f"{module.path}:{line} {name}"
            assert "#" in lines[line - 1], f"{where}: say its unit and reason on the same line"


def bare_numbers(module: SourceModule) -> Iterator[tuple[str, int]]:
    """Constants of a module that are plain numbers, and their lines."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and is_bare_number(node.value):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, node.lineno


def is_bare_number(value: ast.expr) -> bool:
    """`30`, `64 * 1024`; not `5 * MINUTE`, which says its unit itself."""
    if isinstance(value, ast.BinOp):
        return is_bare_number(value.left) and is_bare_number(value.right)
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def pins_of(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", read_file(lock), re.MULTILINE))
