"""Fail if a test was skipped, expected to fail, or not run at all.

check_all_tests_ran.py REPORT.xml LOG      pytest's JUnit report, and the output of `make test`
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree  # our own report, written a moment ago

PYTEST_LEFT_OUT = re.compile(r"\b[1-9][0-9]* (skipped|deselected|xfailed|xpassed)\b")
NODE_LEFT_OUT = re.compile(r"^\S+ (cancelled|skipped|todo) [1-9]")


def find_problems(report: str, log: str) -> list[str]:
    """List what was left out or failed; empty if every test ran and passed."""
    problems, ran = [], 0
    for suite in ElementTree.fromstring(report).iter("testsuite"):
        ran += int(suite.attrib["tests"])
        for count in ("errors", "failures", "skipped"):
            if suite.attrib[count] != "0":
                problems.append(f"{suite.attrib[count]} {count}")
    for case in ElementTree.fromstring(report).iter("testcase"):
        problems += [f"{case.attrib['name']}: {each.attrib}" for each in case.findall("skipped")]
    lines = [line for line in log.splitlines() if NODE_LEFT_OUT.search(line)]
    lines += [line for line in log.splitlines() if " in " in line and PYTEST_LEFT_OUT.search(line)]
    return [*problems, *lines] + ([] if ran else ["no test ran"])


if __name__ == "__main__":
    problems = find_problems(Path(sys.argv[1]).read_text(), Path(sys.argv[2]).read_text())
    for problem in problems:
        print(f"left out or failed: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)
