"""List attacks on accounts and on mail, each with the tests that prevent it."""

from __future__ import annotations

ACCOUNT_ATTACKS = {
    "a mailed link used twice": ("db/test_auth_recovery.py::test_a_reset_link_works_once"),
    "a mailed link used late": ("db/test_auth_recovery.py::test_a_reset_link_is_valid_for_an_hour"),
    "a mailed link that leads to another host": (
        "db/test_auth_recovery_mails.py::test_links_use_the_public_url_and_ignore_the_request_host"
    ),
    "asking for a new password to learn who has an account": (
        "db/test_auth_recovery.py::test_known_and_unknown_addresses_run_the_same_statements"
    ),
    "filling somebody's mailbox": (
        "db/test_auth_recovery.py::test_the_fourth_mail_to_an_address_is_refused_whether_it_is_known_or_not"
    ),
    "locking somebody out by asking for links": (
        "db/test_auth_recovery.py::test_requesting_links_does_not_block_sign_ins"
    ),
    "a name that is markup in a mail": (
        "db/test_auth_recovery_mails.py::test_a_name_is_escaped_in_a_mail"
    ),
    "a subject that adds a header": (
        "db/test_dispatches_smtp.py::test_a_subject_cannot_add_a_header"
    ),
    "reading other people's links where mail is kept": (
        "http/test_settings.py::test_without_a_mail_server_mail_is_shown_to_this_machine_only"
    ),
    "reading kept mail by a name that leads to 127.0.0.1 (DNS rebinding)": (
        "http/test_local_requests.py::test_local_pages_open_only_for_local_host_names"
    ),
    "a link in kept mail that leads to a forged host": (
        "http/test_local_requests.py::test_a_mailed_link_never_uses_a_forged_host"
    ),
    "signing in from a page that rebinds its name": (
        "http/test_local_requests.py::test_dns_rebinding_cannot_sign_in"
    ),
    "two Host headers": (
        "http/test_local_requests.py::test_a_request_with_two_host_headers_is_refused"
    ),
    "signing out somebody else's browser": (
        "http/test_settings.py::test_a_browser_of_another_person_is_answered_as_missing"
    ),
    "deleting an account from a browser left open": (
        "http/test_settings.py::test_deleting_the_account_requires_the_password"
    ),
    "taking along what others wrote": (
        "db/test_accounts_settings.py::test_exported_data_has_nothing_of_other_people"
    ),
    "a stolen database: mails": (
        "db/test_dispatches_smtp.py::test_a_sent_mail_is_not_sent_again_and_its_link_is_erased"
    ),
    "a stolen log: mails": (
        "db/test_dispatches_smtp.py::test_content_and_recipient_of_a_mail_are_never_logged"
    ),
}
