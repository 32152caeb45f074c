"""Run a real Chromium: each visitor has a browser of their own, whose console must stay clean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.fixtures.browser_company import BrowserCompany, create_company
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import Server
from tests.fixtures.visitor import Visitor

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

OpenVisitor = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def find_chromium() -> str:
    """Return CHROMIUM from the environment, or the first browser on the PATH."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    assert path, f"no Chromium: set CHROMIUM or install one of {', '.join(CHROMIUM_NAMES)}"
    return path


@contextmanager
def run_browser(*more_flags: str) -> Iterator[Browser]:
    """Run a Chromium with our flags and these."""
    root_flags = ["--no-sandbox"] if os.geteuid() == 0 else []  # no sandbox for root
    flags = [*CHROMIUM_FLAGS, *root_flags, *more_flags]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser per module, not per session: Playwright's event loop allows no other to run."""
    with run_browser() as started:
        yield started


@pytest.fixture
def open_visitor(browser: Browser, server: Server) -> Iterator[OpenVisitor]:
    """Provide `open_visitor(cookie, path)`, which opens a page in a browser of its own.

    At the end of the test no browser may have logged a problem: no error on the console, no
    exception, nothing refused by the content security policy.
    """
    visitors: list[Visitor] = []

    def open_browser(
        cookie: str = "",
        path: str = "",
        *,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
    ) -> Visitor:
        context = browser.new_context(
            base_url=server.url,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        visitor = Visitor(context, cookie, server.url, javascript=javascript)
        visitors.append(visitor)
        if path:
            visitor.open(path)
        return visitor

    yield open_browser
    problems = [line for visitor in visitors for line in visitor.console_problems]
    for visitor in visitors:
        visitor.context.close()
    assert problems == []


@pytest.fixture
def company(guild: GuildFixture, open_visitor: OpenVisitor) -> BrowserCompany:
    """Create a company with a browser for each of its people."""
    return create_company(guild, open_visitor)
