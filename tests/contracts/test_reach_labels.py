"""Check that everything that consumers, dispatches, timers and jobs are called has a label."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from deskwire.accounts.api_keys import KEY_KINDS, SCOPES
from deskwire.cli.main import app
from deskwire.dispatches import mail
from deskwire.dispatches.store import DISPATCH_STATES, SECRET_TARGETS, TIMERS
from deskwire.server.reach import CONSUMERS, JOB_KINDS, list_timer_actions
from deskwire.settings import load_settings
from deskwire.web.pages.admin_dispatches import KIND_LABELS, STATE_LABELS, TARGET_LABELS
from deskwire.web.pages.admin_integrations import PURPOSES
from deskwire.workspaces.keys.actions import DESK_ROLES
from deskwire.workspaces.organizations.permissions import CLIENT_ROLES


def test_pages_name_each_state_target_and_kind_of_dispatch() -> None:
    mail_kinds = [value for name, value in vars(mail).items() if name.endswith("_MAIL")]
    timer_kinds = list_timer_actions(load_settings({}))

    assert [*STATE_LABELS] == [*DISPATCH_STATES]
    assert {*TARGET_LABELS} == {mail.MAIL_TARGET, TIMERS}
    assert {*KIND_LABELS} == {*mail_kinds, *timer_kinds}, "web/pages/admin_dispatches.py"
    assert {mail.MAIL_TARGET} == SECRET_TARGETS


def test_the_page_of_integrations_says_what_each_consumer_is_for() -> None:
    assert {*PURPOSES} == {each.name for each in CONSUMERS}, "web/pages/admin_integrations.py"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("dispatches list", DISPATCH_STATES),
        ("jobs start", JOB_KINDS),
        ("keys create", (*KEY_KINDS, *SCOPES, *CLIENT_ROLES, *DESK_ROLES)),
    ],
)
def test_the_help_of_a_command_names_every_choice(command: str, words: Iterable[str]) -> None:
    group_name, name = command.split()
    [group] = [each for each in app.registered_groups if each.name == group_name]
    assert group.typer_instance is not None
    [found] = [each for each in group.typer_instance.registered_commands if each.name == name]
    assert found.callback is not None
    helps = str(found.callback.__annotations__)

    assert not [word for word in words if word not in helps], f"src/deskwire/cli/{group_name}.py"
