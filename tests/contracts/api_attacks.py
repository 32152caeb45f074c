"""List attacks on the API, each with the tests that prevent it."""

from __future__ import annotations

API_ATTACKS = {
    "setting a field that is not one's own to set": (
        "http/test_api_requests.py::test_invalid_fields_are_reported_with_their_pointers"
    ),
    "asking a program's address for what pages hide": (
        "http/test_api_permissions.py::test_forbidden_and_missing_are_answered_with_the_same_bytes"
    ),
    "JSON posted by another site": (
        "http/test_api_requests.py::test_a_page_of_another_site_can_change_nothing"
    ),
    "a form that passes for JSON": (
        "http/test_api_requests.py::test_a_body_without_the_json_content_type_is_refused"
    ),
    "hearing on one stream what belongs on another": (
        "unit/test_grant_cache.py::test_each_scope_carries_its_own_channels_and_the_personal_one"
    ),
}
