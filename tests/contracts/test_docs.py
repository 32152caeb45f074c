"""Check that the paths, commands, links and values that the docs name exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import typer

from deskwire.cli.main import app
from tests.contracts.source_files import (
    REPOSITORY_ROOT,
    list_modules,
    list_tracked_files,
    read_file,
)

PAGES = [path for path in list_tracked_files() if path.endswith(".md")]
FORMER_NAMES = "docs/decisions/former_names.md"
# A decision record keeps the names of its day; former_names.md says what they are called now.
CURRENT = [page for page in PAGES if not page.startswith("docs/decisions/")]
BASES = (
    *("", "src/deskwire/", "frontend/", "frontend/src/", "frontend/src/*/"),
    *("docs/", "tests/", "web/templates/"),
)
PATH = re.compile(
    r"(?:[\w.*-]+/)*[\w.*-]+\.(?:py|ts|css|html|md|json|lock|sh|mjs|db|toml)|(?:[\w.-]+/)+"
)
MADE_LATER = (".demo/", "data/", ".env.local", ".venv/", "node_modules/", "web/static/dist/")
NOT_PATHS = ("line.html",)  # a field of an event, of all things
OF_OTHERS = (
    *("broadcaster.emit", "useGuildListRefresh", "useTicketListEvents", "useTicketDetailEvents"),
    *("useSSEEvent", "useGuildSSEEvents", "notifyUser", "notifyGuild", "notifyTicket"),  # sketch
    *("outerMorph", "innerMorph"),  # htmx
    *("process_cpu_seconds_total", "process_start_time_seconds"),  # prometheus-client
    *("process_virtual_memory_bytes", "process_open_fds", "process_max_fds"),
    "LimitNOFILE",  # systemd
    *("HttpOnly", "SameSite", "alembic.ini", "TIMESTAMP.BODY"),
)
PLACEHOLDER = re.compile(r"[A-Z]+|\d+|…|'[^']*'|\{.*\}")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_a_target(page: str) -> None:
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", without_code(read_file(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (REPOSITORY_ROOT / page).parent / name if name else REPOSITORY_ROOT / page
        assert path.exists(), f"{page}: [{text}]({target}) leads nowhere"
        if anchor and path.suffix == ".md":
            assert anchor in anchors_of(path.read_text(encoding="utf-8")), (
                f"{page}: {target} has no such heading"
            )


@pytest.mark.parametrize("page", CURRENT)
def test_every_path_exists(page: str) -> None:
    for quoted in code_of(read_file(page)):
        path, _, rest = quoted.partition(": ")
        if not PATH.fullmatch(path) or path.startswith(MADE_LATER) or path in NOT_PATHS:
            continue
        found = [base + path for base in BASES if list(REPOSITORY_ROOT.glob(base + path))]
        assert found, f"{page} names {path}, which is not there"
        if rest and path.endswith(".py"):
            assert defines(found[0], rest), f"{page} names {rest}, which {path} does not define"


def test_the_readme_gives_a_reason_for_every_dependency() -> None:
    section = read_file("README.md").partition("## The parts, and why these")[2]
    rows = re.findall(r"^\| ([\w., -]+) \| \w.+ \|$", section.partition("\n## ")[0], re.MULTILINE)
    explained = [normalized(name) for names in rows[1:] for name in names.split(",")]

    assert sorted(explained) == sorted(declared_dependencies()), (
        "the README's table “The parts, and why these” is not the dependencies of pyproject.toml"
    )


def declared_dependencies() -> Iterator[str]:
    """Yield the normalized name of every dependency in pyproject.toml, optional ones too."""
    project = tomllib.loads(read_file("pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (requirement for group in groups for requirement in group):
        name = re.match(r"[\w.-]+", requirement)
        assert name is not None, requirement
        yield normalized(name[0])


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def test_former_names_map_to_existing_files() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", read_file(FORMER_NAMES), re.MULTILINE)

    assert len(rows) > 100
    for old, new in rows:
        assert [base for base in BASES if list(REPOSITORY_ROOT.glob(base + new))], (
            f"{FORMER_NAMES} says that {old} is {new}, which is not there"
        )


@pytest.mark.parametrize("page", CURRENT)
def test_every_documented_command_parses(page: str) -> None:
    for quoted in commands_of(read_file(page)):
        words = quoted.split("#")[0].split()
        if words[:1] == ["deskwire"]:
            problem = mistyped(words[1:])
            assert problem is None, f"{page}: `{quoted}`: {problem}"
        if words[:1] == ["make"] and len(words) > 1:
            target = words[1]
            assert re.search(rf"^{target}:", read_file("Makefile"), re.MULTILINE), (
                f"{page}: the Makefile has no {target}"
            )
        if words[:2] == ["npm", "run"]:
            assert f'"{words[2]}":' in read_file("frontend/package.json"), f"{page}: `{quoted}`"


@pytest.mark.parametrize("page", CURRENT)
def test_every_name_in_capitals_exists(page: str) -> None:
    for quoted in code_of(read_file(page)):
        name, is_valued, value = quoted.partition("=")
        name = name.strip()
        if not re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", name):
            continue
        assert name in everything_written(), f"{page} names {name}, which nothing here knows"
        if is_valued and name in constants() and re.fullmatch(r"[\d_]+", value.strip()):
            assert int(value) == constants()[name], f"{page}: {name} is {constants()[name]}"


@pytest.mark.parametrize("page", CURRENT)
def test_every_code_name_in_the_docs_exists(page: str) -> None:
    for quoted in code_of(read_file(page)):
        name = quoted.removesuffix("()")
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) or not re.search(r"[a-z][A-Z._]", name):
            continue
        if quoted in OF_OTHERS or name.endswith("_"):
            continue
        owner, _, attribute = name.rpartition(".")
        assert set(name.split(".")) <= words_of_code(), f"{page} names {quoted}, which is nowhere"
        if owner in methods():
            assert attribute in methods()[owner], f"{page}: {owner} has no {attribute}"


def code_of(text: str) -> Iterator[str]:
    """What stands between backticks, fences apart."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def commands_of(text: str) -> Iterator[str]:
    """Lines of code that begin with a command, and quoted commands."""
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines() if line[:4] == "    "]
    lines += [
        line.strip().removeprefix("$ ")
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    for line in [*lines, *code_of(text)]:
        words = re.sub(r"^([A-Z_]+=\S+ )+", "", line)
        if re.match(r"(deskwire|make|npm run) [a-z]", words):
            yield re.split(r"  +|[→;|]| && ", words)[0].strip()


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors_of(text: str) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in slugs}


def mistyped(words: list[str]) -> str | None:
    """What is wrong with the words after `deskwire`, if anything is."""
    command: Any = typer.main.get_command(app)
    options: set[str] = set()
    for word in words:
        below = getattr(command, "commands", None)  # only groups have some
        if word.startswith("--"):
            options.add(word.partition("=")[0])
        elif below is not None:
            if PLACEHOLDER.fullmatch(word):
                return None
            if word.rstrip(",.") not in below:
                return f"there is no command {word!r}"
            command = below[word.rstrip(",.")]
    known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    unknown = options - known - {"--help", "--version"}
    return f"{command.name} has no {', '.join(sorted(unknown))}" if unknown else None


@cache
def constants() -> dict[str, int]:
    """Plain numbers that our modules name, and the defaults of settings."""
    found: dict[str, int] = {}
    for module in list_modules():
        for node in module.tree.body:
            match node:
                case ast.Assign([ast.Name(name)], ast.Constant(int(value))):
                    found[name] = value
                case _:
                    pass
    return found


@cache
def methods() -> dict[str, set[str]]:
    """The names each of our classes defines, by the class's name."""
    return {
        node.name: {name for each in node.body for name in names_of(each)}
        for module in list_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }


@cache
def words_of_code() -> frozenset[str]:
    """Every word in a source file of ours."""
    kinds = (".py", ".ts", ".mjs", ".toml", ".html")
    texts = [read_file(path) for path in list_tracked_files() if path.endswith(kinds)]
    return frozenset(re.findall(r"[A-Za-z_]\w*", "\n".join(texts)))


@cache
def everything_written() -> frozenset[str]:
    """Every name in capitals in code, settings, Makefile and scripts."""
    texts = [
        read_file(path)
        for path in list_tracked_files()
        if not path.endswith((".md", ".lock", ".png"))
    ]
    return frozenset(re.findall(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", "\n".join(texts)))


def defines(path: str, name: str) -> bool:
    """Whether a Python file defines `name`, which may be `Class.method`."""
    body: list[ast.stmt] = ast.parse(read_file(path)).body
    for part in name.split("."):
        found = [node for node in body if part in names_of(node)]
        if not found:
            return False
        body = found[0].body if isinstance(found[0], ast.ClassDef) else []
    return True


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def test_the_folder_map_is_up_to_date() -> None:
    check = [sys.executable, "scripts/folder_map.py", "--check"]

    run = subprocess.run(check, check=False, cwd=REPOSITORY_ROOT, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout
