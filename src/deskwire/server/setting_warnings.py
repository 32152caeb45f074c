"""Find settings without effect: misspelt, not read, or useless without another one."""

from __future__ import annotations

import os
from collections.abc import Iterator

from deskwire.kit.env_files import UnreadVariable, find_unread
from deskwire.settings import ENV_FILES, Settings

# Settings of integrations that this version does not have, by the beginnings of their names.
MISSING_INTEGRATIONS = {
    "CLERK_": "does not sign people in through Clerk",
    "NEXT_PUBLIC_CLERK_": "does not sign people in through Clerk",
    "LINEAR_": "does not connect to Linear",
}
NEEDED_SETTINGS = {"mail_from": "smtp_url", "smtp_tls": "smtp_url"}  # useless without it
S3_CLIENT_PREFIX = "AWS_"  # read by the client of the bucket, from the environment only
FIELD_NAMES = frozenset(name.upper() for name in Settings.model_fields)


def find_warnings(settings: Settings) -> list[str]:
    """Return sentences about settings that do not do what their author expects, without values."""
    return [
        *settings.weak_secret_warnings,
        *_find_useless(settings),
        *_find_missing_integrations(),
        *_find_misspelt(),
    ]


def find_foreign_names() -> list[str]:
    """Return sentences that name what the files contain for other programs, if anything."""
    foreign = [each for each in _find_unread() if not _is_ours(each)]
    return [
        f"not settings of Deskwire in {file}: "
        + ", ".join(each.name for each in foreign if each.file == file)
        for file in dict.fromkeys(each.file for each in foreign)
    ]


def _find_useless(settings: Settings) -> Iterator[str]:
    for name, needed in NEEDED_SETTINGS.items():
        if name in settings.model_fields_set and needed not in settings.model_fields_set:
            yield f"{name.upper()} has no effect without {needed.upper()}"


def _find_missing_integrations() -> Iterator[str]:
    names = sorted({*os.environ, *(each.name for each in _find_unread())})
    for name in names:
        if (reason := _missing_integration(name)) is not None:
            yield f"{name} has no effect: this version {reason}"


def _find_misspelt() -> Iterator[str]:
    for each in _find_unread():
        if each.suggestion is not None:
            yield f"{each.name} in {each.file}: did you mean {each.suggestion}?"
        elif _is_for_s3_client(each):
            yield f"{each.name} is not read from {each.file}: set it in the environment"


def _find_unread() -> list[UnreadVariable]:
    return list(find_unread(ENV_FILES, FIELD_NAMES))


def _is_ours(variable: UnreadVariable) -> bool:
    return (
        variable.suggestion is not None
        or _missing_integration(variable.name) is not None
        or variable.name.startswith(S3_CLIENT_PREFIX)
    )


def _is_for_s3_client(variable: UnreadVariable) -> bool:
    return variable.name.startswith(S3_CLIENT_PREFIX) and variable.name not in os.environ


def _missing_integration(name: str) -> str | None:
    reasons = MISSING_INTEGRATIONS.items()
    return next((reason for prefix, reason in reasons if name.startswith(prefix)), None)
