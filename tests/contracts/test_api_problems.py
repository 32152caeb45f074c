"""Check the API's problem codes: the docs list every code, and every status has one."""

from __future__ import annotations

import re

from deskwire.web.errors import DETAIL_BY_STATUS, STATUS_BY_REFUSAL
from deskwire.web.http.problems import CODE_BY_STATUS, PROBLEMS
from tests.contracts.source_files import read_file


def test_the_docs_list_every_problem() -> None:
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (\d+) \| (.+) \|$", read_file("docs/api.md"), re.MULTILINE
    )

    assert [(code, int(status), means) for code, status, means in rows] == [
        (code, each.status, each.title) for code, each in PROBLEMS.items()
    ], "docs/api.md does not list what src/deskwire/web/http/problems.py has"


def test_every_error_kind_has_a_problem_code() -> None:
    assert {*STATUS_BY_REFUSAL.values(), *DETAIL_BY_STATUS} <= CODE_BY_STATUS.keys()
