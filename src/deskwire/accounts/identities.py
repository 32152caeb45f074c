"""temporary"""

from sqlalchemy import Column, Table, Text

from deskwire.kit.db import metadata

identities = Table(
    "identities",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("person", Text, nullable=False),
)
