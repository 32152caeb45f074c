"""Keep the typed views of rows equal to their tables.

A view is a class beside a table, named after it in the singular: `guild_members` has
`GuildMemberRow`; a view of some columns only is called `…Columns`. The type checker trusts the
annotations of a view, so they must be the table's columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy import Column, Table

from deskwire.accounts.people import Person, people
from deskwire.accounts.sessions import Session, sessions
from deskwire.schema import TABLE_MODULES, metadata

# Plurals that are not formed with -s or -ies.
IRREGULAR = {"dispatches": "dispatch", "people": "person"}


def views() -> Iterator[type[Any]]:
    """Yield the views of all modules that declare tables: classes `…Row` that are no values."""
    for module in TABLE_MODULES:
        yield from views_in(module)


def views_in(module: ModuleType) -> Iterator[type[Any]]:
    for name, value in vars(module).items():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        is_value = is_dataclass(value) or value.__bases__ != (object,)
        if name.endswith("Row") and not name.startswith("_") and not is_value:
            yield value


@pytest.mark.parametrize("view", [pytest.param(view, id=view.__name__) for view in views()])
def test_a_view_has_the_columns_of_its_table(view: type[Any]) -> None:
    by_view = {view_name(table): table for table in metadata.tables.values()}
    table = by_view.get(view.__name__)

    assert table is not None, f"no table is called like {view.__qualname__}; rename the class"
    columns = {column.name: annotation_of(column) for column in table.columns}
    annotations = {name: widen_literal(each) for name, each in get_type_hints(view).items()}
    assert list(annotations.items()) == list(columns.items()), (
        f"{view.__module__}.{view.__name__} differs from the table {table.name}: "
        f"{dict(annotations.items() ^ columns.items())}; the columns come in the table's order"
    )


def test_values_built_by_position_have_the_columns_in_order() -> None:
    public = [column.name for column in sessions.c if column.name != "token_hash"]

    assert [field.name for field in fields(Person)] == list(people.c.keys())
    assert [field.name for field in fields(Session)] == public


def widen_literal(annotation: Any) -> Any:
    """`Literal["a", "b"] | None` → `str | None`: a view may know more than the column does."""
    parts = get_args(annotation) if get_origin(annotation) is not Literal else (annotation,)
    if not any(get_origin(part) is Literal for part in parts):
        return annotation
    return str | None if type(None) in parts else str


def view_name(table: Table) -> str:
    """`guild_members` → `GuildMemberRow`."""
    *words, last = table.name.split("_")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last.endswith("ies"):
        last = last.removesuffix("ies") + "y"
    else:
        last = last.removesuffix("s")
    return "".join(word.capitalize() for word in (*words, last)) + "Row"


def annotation_of(column: Column[Any]) -> Any:
    python_type = column.type.python_type
    return python_type | None if column.nullable else python_type
