"""Any table with a header: columns are recognised by their names, and a person confirms them."""

from __future__ import annotations

from app.domain.listings.imports.mapping import FileMapping

TABLE = FileMapping(
    name="by_name",
    title="Another table, columns by their names",
    about="Columns called like a field of a listing fill it.",
    columns=(),
    key=(),
)
