"""Browsers by name: what a `User-Agent` is called where people look for their own."""

from __future__ import annotations

from deskwire.kit.i18n import gettext

# In this order: each also claims to be those below it.
BROWSER_MARKS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEM_MARKS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def describe_user_agent(user_agent: str) -> str:
    """`Mozilla/5.0 (X11; Linux x86_64; rv:140.0) … Firefox/140.0` → `Firefox on Linux`."""
    browser = _first_match(BROWSER_MARKS, user_agent)
    system = _first_match(SYSTEM_MARKS, user_agent)
    if browser is None:
        return (
            gettext("A browser on %(system)s", system=system)
            if system
            else gettext("An unknown browser")
        )
    return (
        gettext("%(browser)s on %(system)s", browser=browser, system=system) if system else browser
    )


def _first_match(marks: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for mark, name in marks if mark in text), None)
