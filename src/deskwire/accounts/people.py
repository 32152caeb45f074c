"""temporary"""

from sqlalchemy import Column, Table, Text

from deskwire.kit.db import metadata

people = Table("people", metadata, Column("id", Text, primary_key=True), Column("name", Text))
