"""Check that only the database layer talks to a database driver itself.

Past SQLAlchemy nobody translates the driver's errors: a page would answer 500 instead of 503, and a
service would break instead of waiting. `translate_driver_errors` in `kit/db.py` does it for the
modules below.
"""

from __future__ import annotations

import ast

from tests.contracts.source_files import list_modules

DRIVER_ATTRIBUTES = {"driver_connection", "dbapi_connection", "raw_connection"}
DRIVERS = {"sqlite3", "psycopg"}
MODULES = {
    "kit.db",
    "kit.sqlite",
    "kit.postgres",
    "server.admin_sql",  # it refuses the statement with the driver's own words
}


def test_only_the_database_layer_uses_a_driver() -> None:
    for module in list_modules():
        if module.name in MODULES:
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Attribute):
                continue
            connects = node.attr == "connect" and ast.unparse(node.value) in DRIVERS
            is_allowed = not connects and node.attr not in DRIVER_ATTRIBUTES
            assert is_allowed, (
                f"{module.path}:{node.lineno} talks to a database driver: use a function of "
                "kit/db.py, which translates its errors, or add the module to MODULES in "
                "tests/contracts/test_driver_access.py with a reason"
            )
