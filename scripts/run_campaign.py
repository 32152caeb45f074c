"""Run a campaign: slow tests, repeated many more times than `make test` repeats them.

    run_campaign.py NAME      runs it, and writes bench/campaigns/NAME.json
    run_campaign.py           lists the campaigns with their last results

A campaign fails if one of its tests fails. Its result is committed with the change it was run for.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "campaigns"
TIME_LIMIT = 3 * 60 * 60  # s; longer than any campaign below takes on two cores
COUNTS = re.compile(r"(\d+) (passed|failed|errors?)")


@dataclass(frozen=True)
class Campaign:
    """Tests to run together. `scale` multiplies the loops that use `tests/fixtures/scale.py`."""

    purpose: str
    tests: tuple[str, ...]
    scale: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


STREAM_TEST = "test_every_stream_hears_what_it_may_once_and_in_order"

CAMPAIGNS = {
    "kills": Campaign(
        "kill the server 120 times on SQLite and 60 on PostgreSQL; nothing acknowledged is lost",
        ("tests/http/test_crash_recovery.py",),
        scale=10,
    ),
    "dispatches": Campaign(
        "kill servers 42 times while mails, requests, timers and an audit wait; each effect "
        "happens once and in order",
        ("tests/http/test_dispatches_kills.py",),
        scale=14,
    ),
    "histories": Campaign(
        "random histories of access, keys, deliveries and hubs; twenty times as many",
        (
            "tests/unit/test_hub_random_histories.py",
            "tests/db/test_realtime_access_histories.py",
            "tests/db/test_realtime_key_histories.py",
            "tests/db/test_realtime_organization_histories.py",
            "tests/db/test_discord_convergence.py",
        ),
        scale=2,
        environment={"HYPOTHESIS_PROFILE": "thorough"},
    ),
    "leaks": Campaign(
        "open and end streams in every way, ten times as often; nothing stays behind",
        ("tests/http/test_realtime_leaks.py",),
        scale=10,
    ),
    "streams": Campaign(
        "300 streams for 20 minutes under load, cuts and a restart of PostgreSQL; each hears what "
        "it may, once and in order",
        ("tests/http/test_stream_campaign.py::" + STREAM_TEST + "[postgresql]",),
        scale=80,
    ),
}


def main(arguments: list[str]) -> int:
    """Run the named campaign, or list all; return the exit code."""
    match arguments:
        case []:
            for name, campaign in CAMPAIGNS.items():
                print(f"{name:12} {campaign.purpose}\n{'':12} {describe_result(name)}")
            return 0
        case [name] if name in CAMPAIGNS:
            return run_campaign(name, CAMPAIGNS[name])
        case _:
            print(f"Choose one campaign: {', '.join(CAMPAIGNS)}.", file=sys.stderr)
            return 2


def describe_result(name: str) -> str:
    """Return when and how a campaign last ended, in one line."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return "never run"
    last = json.loads(file.read_text())
    outcome = ", ".join(f"{count} {word}" for word, count in last["outcome"].items())
    return f"{last['finished_at']}: {outcome} in {last['seconds']} s at {last['commit']}"


def run_campaign(name: str, campaign: Campaign) -> int:
    """Run one campaign and write its result; return pytest's exit code."""
    environment = {**os.environ, **campaign.environment, "TEST_SCALE": str(campaign.scale)}
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:randomly", *campaign.tests]
    started, commit = time.monotonic(), _read_commit()
    run = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIME_LIMIT,
    )
    print(run.stdout)
    outcome = {word: int(count) for count, word in COUNTS.findall(run.stdout[-500:])}
    result = {
        "campaign": name,
        "purpose": campaign.purpose,
        "tests": campaign.tests,
        "scale": campaign.scale,
        "environment": dict(campaign.environment),
        "outcome": outcome,
        "seconds": round(time.monotonic() - started),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "python": platform.python_version(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    return run.returncode


def _read_commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(
        command, check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
