"""Check that functions that do half a job are called only by those that complete it.

Some functions write a row and leave something behind: assigned requests, open invitations, the
search index of names. Each is called by one that does the rest; calling it from elsewhere passes
the type checker and most tests. The table says who may call it, and what everyone else calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.contracts.source_files import SourceModule, iter_functions, list_modules

ORGANIZATIONS = "workspaces.organizations"
OFFBOARDING = "tickets.actions.offboarding"


@dataclass(frozen=True)
class Restriction:
    """`callers` are the modules that may use a function; everyone else calls `instead`.

    With `keyword`, only calls that pass this keyword are restricted.
    """

    callers: frozenset[str]
    instead: str
    keyword: str = ""


def only(*callers: str, instead: str, keyword: str = "") -> Restriction:
    return Restriction(frozenset(callers), instead, keyword)


# The function's own module may always call it.
RESTRICTED: dict[str, Restriction] = {
    "accounts.people.update_person_row": only(
        "accounts.authentication",
        "workspaces.name_changes",
        instead="workspaces.name_changes.rename_person",
        keyword="name",
    ),
    "accounts.people.update_columns": only(
        "accounts.preferences", instead="a function of accounts.people that records an event"
    ),
    "accounts.people.set_avatar_key": only(
        "tickets.files.avatars", instead="tickets.files.avatars.set_avatar"
    ),
    "accounts.people.mark_deactivated": only(
        f"{ORGANIZATIONS}.staff", instead=f"{OFFBOARDING}.deactivate_person"
    ),
    "accounts.people.mark_reactivated": only(
        f"{ORGANIZATIONS}.staff", instead=f"{ORGANIZATIONS}.staff.reactivate"
    ),
    "accounts.people.anonymize": only(
        f"{ORGANIZATIONS}.account_deletion", instead=f"{OFFBOARDING}.delete_account"
    ),
    "accounts.sessions.create": only(
        "accounts.authentication", instead="accounts.authentication.start_session"
    ),
    "accounts.identities.link": only(
        "accounts.admin_actions",
        f"{ORGANIZATIONS}.staff",
        "demo.seed",
        instead=f"{ORGANIZATIONS}.staff.link_discord_account",
    ),
    "accounts.identities.unlink": only(
        "accounts.admin_actions",
        f"{ORGANIZATIONS}.staff",
        instead=f"{ORGANIZATIONS}.staff.unlink_discord_account",
    ),
    "accounts.authentication.redeem_activation_link": only(
        "workspaces.name_changes", instead="workspaces.name_changes.activate_account"
    ),
    "accounts.sessions.store_active_organization": only(
        "web.context",
        "web.pages.organization_switcher",
        instead="web.context.set_active_organization",
    ),
    "workspaces.name_index.update_name_index": only(
        "workspaces.name_changes",
        f"{ORGANIZATIONS}.account_deletion",
        "tickets.actions.direct_edits_people",
        instead="workspaces.name_changes.rename_person",
    ),
    f"{ORGANIZATIONS}.members.add_member": only(
        f"{ORGANIZATIONS}.create",
        f"{ORGANIZATIONS}.invitation_acceptance",
        "demo.seed_portal",
        instead=f"{ORGANIZATIONS}.invitation_acceptance.accept",
    ),
    f"{ORGANIZATIONS}.members.delete_membership_row": only(
        f"{ORGANIZATIONS}.staff",
        f"{ORGANIZATIONS}.account_deletion",
        instead=f"{OFFBOARDING}.remove_member",
    ),
    f"{ORGANIZATIONS}.members.remove_member_except_tickets": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.remove_member"
    ),
    f"{ORGANIZATIONS}.direct_edits.record_organization_member_edit": only(
        "tickets.actions.direct_edits_people",
        instead="tickets.actions.direct_edits_people.record_member_edit",
    ),
    f"{ORGANIZATIONS}.staff.upsert_staff_row": only(
        "demo.seed_portal", instead=f"{ORGANIZATIONS}.staff.set_staff_role_from_shell"
    ),
    f"{ORGANIZATIONS}.staff.set_staff_role_from_shell": only(
        "server.admin_commands", instead=f"{ORGANIZATIONS}.staff.set_staff_role"
    ),
    f"{ORGANIZATIONS}.staff.revoke_sign_in": only(
        "tickets.actions.direct_edits_people", instead=f"{OFFBOARDING}.deactivate_person"
    ),
    f"{ORGANIZATIONS}.staff.deactivate_except_tickets": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.deactivate_person"
    ),
    f"{ORGANIZATIONS}.staff.remove_staff_except_tickets": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.remove_staff"
    ),
    f"{ORGANIZATIONS}.account_deletion.delete_account_except_tickets": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.delete_account"
    ),
    f"{ORGANIZATIONS}.account_deletion.delete_account_except_tickets_if_confirmed": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.delete_account_if_confirmed"
    ),
    f"{ORGANIZATIONS}.settings.mark_organization_deleted": only(
        OFFBOARDING, instead=f"{OFFBOARDING}.delete_organization"
    ),
    # Rendering takes up to 0.2 s, for which everyone would wait if a transaction did it.
    "tickets.markdown.render_markdown": only(
        "tickets.prepared_text", instead="tickets.prepared_text.prepare_text"
    ),
    "tickets.prepared_text.prepare_text": only(
        "integrations.discord.translate",
        "tickets.actions.direct_edits",  # for `prepare_message_texts`, which a reader calls
        "tickets.messages",  # where no one has prepared the text
        instead="web.text_preparer.prepare",
    ),
    "tickets.prepared_text.prepare_input": only(
        "web.text_preparer", instead="web.text_preparer.prepare"
    ),
}


def test_restricted_functions_are_called_only_from_the_listed_modules() -> None:
    for module in list_modules():
        for line, target, keywords in uses_in(module):
            restriction = RESTRICTED.get(target)
            if restriction is None or module.name in restriction.callers:
                continue
            if restriction.keyword and restriction.keyword not in keywords:
                continue
            if target.rpartition(".")[0] == module.name:
                continue
            raise AssertionError(
                f"{module.path}:{line} calls {target}, which leaves something behind: call "
                f"{restriction.instead} instead, or add the module to RESTRICTED in "
                "tests/contracts/test_restricted_calls.py with a reason"
            )


def test_the_table_names_existing_functions_and_callers() -> None:
    functions = {
        f"{module.name}.{function.name}"
        for module in list_modules()
        for function in iter_functions(module.tree)
    }
    callers = {
        (target, module.name) for module in list_modules() for _, target, _ in uses_in(module)
    }
    for target, restriction in RESTRICTED.items():
        assert target in functions, f"RESTRICTED names {target}, which does not exist"
        for caller in restriction.callers:
            assert (target, caller) in callers, f"{caller} does not call {target}: remove it"
        if not restriction.instead.startswith("a function"):
            assert restriction.instead in functions, f"{restriction.instead} does not exist"


def test_no_public_function_calls_a_namesake_in_another_module() -> None:
    for module in list_modules():
        for function in module.tree.body:
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if function.name.startswith("_") or is_api_operation(function):
                continue
            for line, target, _ in uses_in(module, function):
                path, _, name = target.rpartition(".")
                assert name != function.name or path == module.name, (
                    f"{module.path}:{line} {function.name} calls {target}. Of two functions with "
                    "one name, one gets called instead of the other: rename the lower one after "
                    "what it leaves undone"
                )


def is_api_operation(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether the function takes an HTTP call, so that it cannot replace an action."""
    first = next(iter(function.args.args), None)
    return (
        first is not None
        and isinstance(first.annotation, ast.Name)
        and first.annotation.id == "Call"
    )


def uses_in(
    module: SourceModule, within: ast.AST | None = None
) -> Iterator[tuple[int, str, frozenset[str]]]:
    """Yield (line, dotted name, keywords) for each use of a name imported from Deskwire.

    A function that is passed on, as in `db.write(people.anonymize, …)`, is a use with the keywords
    of that call.
    """
    imported = dict(imports_of(module))
    keywords = dict(keywords_by_use(module.tree))
    for node in ast.walk(within or module.tree):
        if isinstance(node, ast.Name):
            target = imported.get(node.id, "")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            parent = imported.get(node.value.id, "")
            target = parent and f"{parent}.{node.attr}"
        else:
            continue
        if target:
            yield node.lineno, target, keywords.get(node, frozenset())


def imports_of(module: SourceModule) -> Iterator[tuple[str, str]]:
    """Yield (local name, dotted name below `deskwire`) for each import from Deskwire."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("deskwire"):
            path = (node.module or "").removeprefix("deskwire").removeprefix(".")
            for alias in node.names:
                yield alias.asname or alias.name, f"{path}.{alias.name}".removeprefix(".")


def keywords_by_use(tree: ast.AST) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield the keywords of every call, for the called function and each argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            keywords = frozenset(keyword.arg or "" for keyword in node.keywords)
            for part in (*node.args, node.func):
                yield part, keywords
