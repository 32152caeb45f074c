"""List attacks on the API, each with the tests that prevent it."""

from __future__ import annotations

API_ATTACKS = {
    "setting a field that is not one's own to set": (
        "http/test_api_requests.py::test_invalid_fields_are_reported_with_their_pointers"
    ),
    "asking a program's address for what pages hide": (
        "http/test_api_permissions.py::test_not_yours_and_not_there_are_the_same_bytes"
    ),
    "JSON posted by another site": (
        "http/test_api_requests.py::test_another_site_s_page_changes_nothing"
    ),
    "a form that passes for JSON": ("http/test_api_requests.py::test_a_body_must_be_called_json"),
    "hearing on one stream what belongs on another": (
        "unit/test_grant_cache.py::test_each_stream_tells_its_part_and_what_is_one_s_own"
    ),
}
