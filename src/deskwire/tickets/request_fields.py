"""List the fields of a request that people change. Everything else about them derives from here.

Read from FIELDS: the form of a request's page, the body of PATCH in the API, the sentences in the
timeline and in activity, the facts that the ticket's state is folded from, and what a direct edit
in the database may change. CONTRIBUTING.md says how to add a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from deskwire.events.types.registry import StatusName, TicketSnapshot
from deskwire.kit.i18n import N_
from deskwire.kit.ids import UUID7_PATTERN
from deskwire.tickets import field_changes, field_text
from deskwire.tickets.field_changes import MAX_LABELS, FieldChange, FieldEdit, LabelChange
from deskwire.tickets.priorities import PRIORITY_LABELS, Priority
from deskwire.tickets.tables import TicketRow
from deskwire.workspaces.organizations.permissions import Permission

Names = Mapping[str, Any]  # names behind the ids of a fact (its `shown`)
FormLists = Mapping[str, Sequence[str]]  # every value of a posted form, by the input's name
_Id = Annotated[str, StringConstraints(pattern=f"^{UUID7_PATTERN}$")]


def parse_text_input(lists: FormLists, name: str) -> str:
    """Return the last value of an input."""
    return lists[name][-1]


def parse_optional_input(lists: FormLists, name: str) -> str | None:
    """Return the last value of an input, or None if it is empty."""
    return lists[name][-1] or None


def parse_label_inputs(lists: FormLists, _name: str) -> LabelChange:
    """Return the labels to add (`label`, empty ones left out) and to remove (`unlabel`)."""
    added = [label for label in lists.get("label", ()) if label]
    return LabelChange(added, lists.get("unlabel", ()))


@dataclass(frozen=True, slots=True)
class RequestField:
    """One field of a request: its column, who may change it, and how a change is phrased.

    `plan` checks a new value and returns what it records (field_changes.py). `describe` phrases
    the change for the timeline and for activity (field_text.py), `describe_edit` a direct edit of
    the column; without it, `describe` does. `body` is the type of the field in the API.
    """

    column: str  # of `tickets`
    label: str  # msgid
    plan: Callable[[FieldEdit], FieldChange | None]
    body: tuple[Any, Any]  # annotation and pydantic Field of the API's PATCH
    permission: Permission | None = Permission.WORK  # None: `plan` decides
    requester_may_edit: bool = False  # the requester may change it without the permission
    value_type: Literal["value", "id", "list"] = "value"  # id: only the action knows its name
    describe: Callable[[Any, Names], str] | None = None  # None: the event has a sentence of its own
    describe_edit: Callable[[Any], str] | None = None
    choices: Mapping[Any, str] | None = None  # msgids by value, for a select on the page
    inputs: tuple[str, ...] = ()  # of the page's form; none: one, named like the field
    parse_form: Callable[[FormLists, str], Any] = parse_optional_input

    @property
    def has_update_event(self) -> bool:
        """Whether its change is a `ticket.updated`, not an event of its own."""
        return self.describe is not None


# In the order in which one change of several fields is applied, and so their events follow.
FIELDS: dict[str, RequestField] = {
    "subject": RequestField(
        "subject",
        N_("Title"),
        field_changes.plan_subject,
        (str, Field(default="")),
        permission=Permission.CANCEL_ANY,
        requester_may_edit=True,
        describe=field_text.describe_subject,
        describe_edit=lambda value: field_text.describe_plain_field("subject", value),
        parse_form=parse_text_input,
    ),
    "category": RequestField(
        "category",
        N_("Category"),
        field_changes.plan_category,
        (_Id | None, Field(default=None, description="null: none")),
        value_type="id",
        describe=field_text.describe_category,
        describe_edit=lambda _: "",
    ),
    "priority": RequestField(
        "priority",
        N_("Priority"),
        field_changes.plan_choice(
            "priority", PRIORITY_LABELS, N_("%(priority)s is not a priority.")
        ),
        (Priority | None, Field(default=None, description="null: none")),
        describe=field_text.describe_choice(
            "priority",
            PRIORITY_LABELS,
            N_("set the priority to %(priority)s"),
            N_("removed the priority"),
        ),
        describe_edit=lambda value: field_text.describe_plain_field("priority", value),
        choices=PRIORITY_LABELS,
    ),
    "labels": RequestField(
        "tags",
        N_("Labels"),
        field_changes.plan_labels,
        (
            list[str],
            Field(
                default=[],
                max_length=MAX_LABELS,
                description="all it is to have; others are taken off",
            ),
        ),
        value_type="list",
        describe=field_text.describe_labels,
        describe_edit=field_text.describe_edited_tags,
        inputs=("label", "unlabel"),
        parse_form=parse_label_inputs,
    ),
    "assignee": RequestField(
        "assignee",
        N_("Assignee"),
        field_changes.plan_assignee,
        (_Id | None, Field(default=None, description="null: unassigned.")),
        value_type="id",
        describe_edit=field_text.describe_edited_assignee,
    ),
    "status": RequestField(
        "status",
        N_("Status"),
        field_changes.plan_status,
        (StatusName, Field(default="new")),
        permission=None,
        describe_edit=field_text.describe_status,
        parse_form=parse_text_input,
    ),
}


def parse_form_fields(lists: FormLists) -> dict[str, Any]:
    """Return the new values that a posted form holds, by field; {} if it names none."""
    return {
        name: field.parse_form(lists, name)
        for name, field in FIELDS.items()
        if any(input_name in lists for input_name in field.inputs or (name,))
    }


def fields_by_column() -> dict[str, RequestField]:
    """Return the fields by their columns of `tickets`."""
    return {field.column: field for field in FIELDS.values()}


def read_plain_values(source: TicketRow | TicketSnapshot, shape: type[BaseModel]) -> dict[str, Any]:
    """Return the fields with a list of values that `shape` has, as they are in `source`."""
    return {
        name: getattr(source, name)
        for name, field in FIELDS.items()
        if field.choices is not None and name in shape.model_fields
    }


def describe_changes(values: Mapping[str, Any], names: Names) -> str:
    """Phrase the fields that `ticket.updated` set, by column; "" if it set none of them."""
    parts = [
        field.describe(values[column], names)
        for column, field in fields_by_column().items()
        if field.describe is not None and column in values
    ]
    return ", ".join(part for part in parts if part)


def describe_edited_columns(values: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Phrase the new values of `columns` that a direct edit set, in this order."""
    fields = fields_by_column()
    parts = [_describe_edit(fields[name], values[name]) for name in columns if name in values]
    return [part for part in parts if part]


def _describe_edit(field: RequestField, value: object) -> str:
    if field.describe_edit is not None:
        return field.describe_edit(value)
    return field.describe(value, {}) if field.describe is not None else ""


def read_event_changes(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn the `changes` of a `ticket.updated` into a fact's values and display values."""
    values: dict[str, Any] = {}
    names: dict[str, Any] = {}
    for column, field in fields_by_column().items():
        change = changes.get(column)
        if not change or not field.has_update_event:
            continue
        values[column] = change.get("new")
        if field.value_type == "list":
            names |= {f"labels_{key}": change.get(key) for key in ("added", "removed")}
        else:
            names[column] = change.get("new")  # an event has the name, not the id
    return values, names
