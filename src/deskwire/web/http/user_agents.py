"""Name the browser and the system of a `User-Agent`, so that people recognize their own."""

from __future__ import annotations

from deskwire.kit.i18n import gettext

# The order matters: a browser's User-Agent also contains the tokens of the ones below it.
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
    """Return `Firefox on Linux` for `Mozilla/5.0 (X11; Linux x86_64; …) … Firefox/140.0`."""
    browser = _first_match(BROWSER_MARKS, user_agent)
    system = _first_match(SYSTEM_MARKS, user_agent)
    if browser is None:
        return (
            gettext("A browser on %(system)s", system=system)
            if system
            else gettext("Unknown browser")
        )
    return (
        gettext("%(browser)s on %(system)s", browser=browser, system=system) if system else browser
    )


def _first_match(tokens: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for token, name in tokens if token in text), None)
