"""Check that files and functions stay short enough to read in one go."""

from __future__ import annotations

import ast
from statistics import median, quantiles

from tests.contracts.source_files import iter_functions, list_modules, list_tracked_files, read_file

LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 60  # lines
LONGEST_FILE_ELSEWHERE = 400  # lines; tests and the browser side
MEDIAN_FUNCTION = 7  # lines
NINETY_PERCENT = 25  # lines
MEDIAN_MODULE = 120  # lines

ELSEWHERE = ("tests/", "scripts/", "bench/", "frontend/src/", "frontend/test/")
GENERATED = ("frontend/src/generated/", "src/deskwire/migrations/versions/")


def test_no_module_exceeds_the_limit() -> None:
    for module in list_modules():
        if module.path.startswith(GENERATED):
            continue
        assert module.line_count <= LONGEST_MODULE, (
            f"{module.path} has {module.line_count} lines: part it"
        )


def test_no_function_exceeds_the_limit() -> None:
    for module in list_modules():
        if module.path.startswith(GENERATED):
            continue
        for function in iter_functions(module.tree):
            length = length_of(function)
            assert length <= LONGEST_FUNCTION, (
                f"{module.path}:{function.lineno} {function.name} has {length} lines: part it"
            )


def test_no_test_or_frontend_file_exceeds_the_limit() -> None:
    for path in list_tracked_files():
        is_ours = path.startswith(ELSEWHERE) and not path.startswith(GENERATED)
        if is_ours and path.endswith((".py", ".ts", ".css")):
            lines = len(read_file(path).splitlines())
            assert lines <= LONGEST_FILE_ELSEWHERE, f"{path} has {lines} lines: part it"


def test_the_median_and_most_functions_are_small() -> None:
    lengths = [length_of(f) for module in list_modules() for f in iter_functions(module.tree)]
    sizes = [module.line_count for module in list_modules() if module.line_count]

    assert median(lengths) <= MEDIAN_FUNCTION
    assert quantiles(lengths, n=10)[-1] <= NINETY_PERCENT
    assert median(sizes) <= MEDIAN_MODULE


def test_every_file_opens_with_a_docstring() -> None:
    for module in list_modules():
        if module.text.strip():
            doc = ast.get_docstring(module.tree)
            assert doc, f"{module.path} needs a docstring that says what it is for"
            assert doc.split("\n\n")[0].rstrip().endswith((".", ":", "!")), (
                f"{module.path}: its first words are no sentence"
            )
    for path in list_tracked_files():
        if path.startswith(("frontend/src/", "frontend/test/")) and path.endswith(".ts"):
            assert read_file(path).startswith("// "), (
                f"{path} needs a first line that says its purpose"
            )


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` on, without its docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and ast.get_docstring(function, clean=False) is not None:
        return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)
    return whole
