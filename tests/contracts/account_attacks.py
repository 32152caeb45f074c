"""List attacks on accounts and on mail, each with the tests that prevent it."""

from __future__ import annotations

ACCOUNT_ATTACKS = {
    "a mailed link used twice": ("db/test_auth_recovery.py::test_a_link_for_a_password_works_once"),
    "a mailed link used late": (
        "db/test_auth_recovery.py::test_a_link_for_a_password_lasts_an_hour"
    ),
    "a mailed link that leads to another host": (
        "db/test_auth_recovery_mails.py::test_links_lead_to_the_public_url_whatever_a_request_says"
    ),
    "asking for a new password to learn who has an account": (
        "db/test_auth_recovery.py::test_known_and_unknown_addresses_take_the_same_statements"
    ),
    "filling somebody's mailbox": (
        "db/test_auth_recovery.py::test_the_fourth_mail_to_an_address_is_refused_known_or_not"
    ),
    "locking somebody out by asking for links": (
        "db/test_auth_recovery.py::test_asking_for_links_does_not_keep_anyone_from_signing_in"
    ),
    "a name that is markup in a mail": (
        "db/test_auth_recovery_mails.py::test_a_name_is_text_in_a_mail"
    ),
    "a subject that adds a header": ("db/test_mail_sender.py::test_a_subject_cannot_add_a_header"),
    "reading other people's links where mail is kept": (
        "http/test_settings.py::test_mail_is_shown_to_this_machine_only_where_none_is_sent"
    ),
    "reading kept mail by a name that leads to 127.0.0.1 (DNS rebinding)": (
        "http/test_local_requests.py::test_only_names_of_this_machine_open_what_is_for_it"
    ),
    "a link in kept mail that leads to a forged host": (
        "http/test_local_requests.py"
        "::test_a_mailed_link_never_leads_to_a_name_that_a_request_invents"
    ),
    "signing in from a page that rebinds its name": (
        "http/test_local_requests.py::test_a_page_that_rebinds_its_name_cannot_sign_in"
    ),
    "two Host headers": ("http/test_local_requests.py::test_a_request_with_two_hosts_is_malformed"),
    "signing out somebody else's browser": (
        "http/test_settings.py::test_someone_elses_browser_is_answered_as_one_that_is_not_there"
    ),
    "deleting an account from a browser left open": (
        "http/test_settings.py::test_the_account_goes_with_the_right_password_only"
    ),
    "taking along what others wrote": (
        "db/test_accounts_settings.py::test_ones_data_holds_nothing_of_anyone_else"
    ),
    "a stolen database: mails": (
        "db/test_mail_sender.py::test_a_mail_that_was_sent_is_not_sent_again_and_its_link_is_not_kept"
    ),
    "a stolen log: mails": (
        "db/test_mail_sender.py::test_content_and_recipient_of_a_mail_are_never_logged"
    ),
}
