"""List attacks on organizations, requests and files, each with the tests that prevent it."""

from __future__ import annotations

PORTAL_ATTACKS = {
    "another company by a parameter": (
        "http/test_request_pages.py::test_a_parameter_names_no_company_but_one_s_own"
    ),
    "the team's pages, asked for by a client": (
        "http/test_request_pages.py::test_the_pages_of_the_team_are_the_team_s"
    ),
    "the id of somebody else's request, note, file or organization, in every way": (
        "contracts/test_access_matrix_organizations.py::test_exactly_these_people_see_it"
    ),
    "learning from a refusal that a request is there": (
        "http/test_request_pages.py::test_to_everyone_else_it_is_as_if_it_were_not_there"
    ),
    "fields a form does not have": (
        "http/test_request_pages.py::test_a_form_cannot_name_what_is_not_its_own"
    ),
    "markup in requests and replies": (
        "http/test_request_pages.py::test_what_people_write_is_text_and_no_script"
    ),
    "mentioning who may not see it": (
        "db/test_mentions.py::test_only_who_sees_the_request_can_be_mentioned"
    ),
    "an invitation passed on": (
        "http/test_organization_pages.py::test_an_invitation_is_for_one_address_and_one_time"
    ),
    "a file that is a page": (
        "http/test_uploads.py::test_what_a_browser_might_run_is_only_ever_a_download"
    ),
    "a name that leads out of a folder": "http/test_uploads.py::test_names_play_no_tricks",
    "a picture that fills the memory": "unit/test_thumbnails.py::test_a_bomb_is_not_opened",
    "files without end": (
        "http/test_uploads.py::test_ten_thousand_files_in_one_form_are_refused_and_none_is_kept"
    ),
    "an upload that never ends": (
        "http/test_uploads_interrupted.py::test_nothing_is_left_of_what_broke_off"
    ),
    "reading what was deleted from the log": (
        "db/test_tickets_actions.py::test_a_deleted_message_is_gone_from_timeline_log_and_search"
    ),
}
