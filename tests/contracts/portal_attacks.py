"""List attacks on organizations, requests and files, each with the tests that prevent it."""

from __future__ import annotations

PORTAL_ATTACKS = {
    "another company by a parameter": (
        "http/test_request_pages.py::test_no_url_parameter_selects_a_foreign_company"
    ),
    "the team's pages, asked for by a client": (
        "http/test_request_pages.py::test_staff_pages_are_closed_to_clients"
    ),
    "the id of somebody else's request, note, file or organization, in every way": (
        "contracts/test_access_matrix_organizations.py::test_exactly_the_listed_viewers_see_it"
    ),
    "learning from a refusal that a request is there": (
        "http/test_request_pages.py::test_for_everyone_else_a_request_does_not_exist"
    ),
    "fields a form does not have": (
        "http/test_request_pages.py::test_a_form_cannot_name_a_foreign_organization_or_person"
    ),
    "markup in requests and replies": ("http/test_request_pages.py::test_user_text_is_escaped"),
    "mentioning who may not see it": (
        "db/test_mentions.py::test_only_people_who_see_the_request_can_be_mentioned"
    ),
    "an invitation passed on": (
        "http/test_organization_pages.py::test_an_invitation_is_for_one_address_and_can_be_used_once"
    ),
    "a file that is a page": ("http/test_uploads.py::test_executable_content_is_always_a_download"),
    "a name that leads out of a folder": "http/test_uploads.py::test_file_names_are_sanitized",
    "a picture that fills the memory": (
        "unit/test_thumbnails.py::test_a_decompression_bomb_is_not_decoded"
    ),
    "files without end": (
        "http/test_uploads.py::test_ten_thousand_files_in_one_form_are_refused_and_none_is_stored"
    ),
    "an upload that never ends": (
        "http/test_uploads_interrupted.py::test_an_interrupted_upload_leaves_nothing"
    ),
    "reading what was deleted from the log": (
        "db/test_tickets_actions.py::test_a_deleted_message_leaves_timeline_log_and_search"
    ),
}
