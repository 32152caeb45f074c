"""Check that unit tests import no server, so that one starts within a second."""

from __future__ import annotations

import subprocess
import sys

from tests.contracts.source_files import REPOSITORY_ROOT

LIST_IMPORTED = (
    "import sys, tests.conftest; "
    "print(*sorted(name for name in sys.modules if name.startswith('deskwire')))"
)


def test_the_tests_conftest_imports_nothing_of_deskwire() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTED],
        cwd=REPOSITORY_ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    assert run.stdout.split() == [], (
        "tests/conftest.py must not import these for every test: import them inside the fixture"
    )
