"""A mapping laid over the columns that a file really has: ready to read rows.

A row gives the listing's values and the issues found on the way. A flawed cell of an optional field leaves the field
empty with a warning; of the key or the status it rejects the row. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from app.domain.errors import Invalid
from app.domain.listings.fields import FIELDS, KEY_LENGTH, Field, Kind, snake_case
from app.domain.listings.imports import coerce
from app.domain.listings.imports.files import Shape
from app.domain.listings.imports.mapping import (
    Column,
    FileMapping,
    folded,
    guess_field,
    guess_key,
)
from app.domain.listings.imports.mappings import MAPPINGS

KEY = "originating_system_key"
REQUIRED = "standard_status"
SHOWN_VALUE = 200
"""Characters of a cell that an issue keeps."""


@dataclass(slots=True)
class Reading:
    """What one row says."""

    key: str
    values: dict[str, Any]
    issues: list[dict[str, str]]
    """[{field, column, value, severity: error|warning, reason}], as import_row keeps them."""

    @property
    def is_rejected(self) -> bool:
        return any(issue["severity"] == "error" for issue in self.issues)


@dataclass(slots=True)
class _Reader:
    column: Column
    field: Field
    coerce: coerce.Coercer


@dataclass
class Binding:
    """Reads rows of one file by one mapping."""

    mapping: FileMapping
    _readers: list[_Reader]
    _unlisted: dict[str, _Reader | None] = field(default_factory=dict)

    def key_of(self, cells: Mapping[str, Any]) -> str:
        """The listing's key at the source; empty when the row does not give one."""
        parts = [_word(cells.get(header)) for header in self.mapping.key]
        for header, part in zip(self.mapping.key, parts, strict=True):
            if not part and header not in self.mapping.may_be_blank:
                return ""
        key = "|".join(parts)
        return key if len(key) <= KEY_LENGTH else ""

    def read(self, cells: Mapping[str, Any]) -> Reading:
        """The row's values and issues. Pure."""
        values: dict[str, Any] = dict(self.mapping.constants)
        issues: list[dict[str, str]] = []
        for reader in self._readers:
            _read_cell(reader, cells.get(reader.column.header), values, issues)
        if self.mapping.reads_reso_names:
            for name, cell in cells.items():
                unlisted = self._by_reso_name(name)
                if unlisted is not None:
                    _read_cell(unlisted, cell, values, issues)
        if self.mapping.finish is not None:
            issues += [_issue(name, "", None, reason) for name, reason in self.mapping.finish(cells, values)]
        _check_position(values, issues)
        key = self.key_of(cells)
        if not key:
            issues.append(_issue(KEY, ", ".join(self.mapping.key), None, "the row has no key", is_error=True))
        if values.get(REQUIRED) is None and not any(issue["field"] == REQUIRED for issue in issues):
            issues.append(_issue(REQUIRED, "", None, "the row has no status", is_error=True))
        return Reading(key, values, issues)

    def _by_reso_name(self, name: str) -> _Reader | None:
        if name not in self._unlisted:
            target = FIELDS.get(snake_case(name))
            listed = target is None or any(reader.field is target for reader in self._readers)
            usable = not listed and target is not None and target.kind is not Kind.ID
            self._unlisted[name] = (
                _Reader(Column(name, target.name), target, coerce.usual(target)) if usable and target else None
            )
        return self._unlisted[name]


def _word(cell: Any) -> str:
    if cell is None or isinstance(cell, bool | list | dict | float):
        return ""
    if isinstance(cell, Decimal) and cell != cell.to_integral_value():
        return ""
    return " ".join(str(cell).replace("\x00", "").split())


def _read_cell(reader: _Reader, cell: Any, values: dict[str, Any], issues: list[dict[str, str]]) -> None:
    name = reader.field.name
    if coerce.blank(cell):
        values[name] = None
        return
    value = reader.coerce(reader.field, cell)
    if isinstance(value, coerce.Flaw):
        values[name] = value.kept
        # One cell that fills two fields is one thing to mend.
        if not any(issue["column"] == reader.column.header and issue["reason"] == value.reason for issue in issues):
            issues.append(_issue(name, reader.column.header, cell, value.reason, is_error=name == REQUIRED))
    else:
        values[name] = value


def _issue(name: str, header: str, cell: Any, reason: str, *, is_error: bool = False) -> dict[str, str]:
    value = "" if cell is None else str(cell).replace("\x00", "")
    return {
        "field": name,
        "column": header,
        "value": value.encode("utf-8", "replace").decode()[:SHOWN_VALUE],
        "severity": "error" if is_error else "warning",
        "reason": reason,
    }


def _check_position(values: dict[str, Any], issues: list[dict[str, str]]) -> None:
    if (values.get("latitude") is None) != (values.get("longitude") is None):
        values["latitude"] = values["longitude"] = None
        if not any(issue["field"] in ("latitude", "longitude") for issue in issues):
            issues.append(_issue("latitude", "", None, "half a position: latitude and longitude go together"))


def bind(mapping: FileMapping, shape: Shape) -> Binding:
    """Lay the mapping over the file's columns. Raises Invalid with a sentence when they do not fit each other."""
    if mapping.file_format != shape.file_format:
        wanted = "a CSV table" if mapping.file_format == "csv" else "a RESO Web API answer (JSON)"
        raise Invalid(f"The mapping “{mapping.title}” reads {wanted}; this file is something else.", field="mapping")
    names = _names_of(mapping, shape)
    columns = tuple(
        replace(column, header=names[column.header]) for column in mapping.columns if column.header in names
    )
    mapping = replace(
        mapping,
        columns=columns,
        key=tuple(names[header] for header in mapping.key),
        may_be_blank=frozenset(names[header] for header in mapping.may_be_blank if header in names),
    )
    _check(mapping)
    return Binding(mapping, [_Reader(column, FIELDS[column.field], _coercer(column)) for column in columns])


def _coercer(column: Column) -> coerce.Coercer:
    return coerce.usual(FIELDS[column.field]) if column.codes is None else coerce.from_table(column.codes)


def _names_of(mapping: FileMapping, shape: Shape) -> dict[str, str]:
    """The mapping's column names → the file's. Raises Invalid for one that is missing or there twice."""
    wanted = {*mapping.key, *(column.header for column in mapping.columns)}
    exact = set(shape.header)
    loose: dict[str, str] = {}
    for header in reversed(shape.header):
        loose[folded(header)] = header
    found = {name: name if name in exact else loose.get(folded(name), "") for name in wanted}
    missing = sorted(name for name in wanted if not found[name])
    if shape.file_format == "json":  # a record may leave out any field
        return {name: found[name] or name for name in wanted}
    if missing:
        have = ", ".join(f"“{header[:40]}”" for header in shape.header[:12])
        more = f" and {len(shape.header) - 12:,} more" if len(shape.header) > 12 else ""
        what = (
            f"no column called “{missing[0]}”"
            if len(missing) == 1
            else f"{len(missing)} columns missing: {', '.join(missing)}"
        )
        raise Invalid(f"The file does not fit “{mapping.title}”: {what}. It has {have}{more}.", field="mapping")
    if not mapping.is_chosen and (doubled := _doubled(found.values(), shape)):
        raise Invalid(
            f"The file has two columns called “{min(doubled)}”: which one is meant is not for us to say. "
            "Choose the columns one by one, or rename one in the file.",
            field="mapping",
        )
    return found


def _doubled(names: Iterable[str], shape: Shape) -> list[str]:
    """Names that more than one column answers to."""
    answers = [folded(header) for header in shape.header]
    return [name for name in names if name in shape.repeated or answers.count(folded(name)) > 1]


def _check(mapping: FileMapping) -> None:
    if not mapping.key:
        raise Invalid(
            "No column tells one listing from another. Choose the key: the MLS number, or several columns together.",
            field="key",
        )
    fields = [column.field for column in mapping.columns]
    twice = sorted({name for name in fields if fields.count(name) > 1})
    if twice:
        raise Invalid(f"Two columns fill {FIELDS[twice[0]].label}. Choose one.", field="columns")
    if REQUIRED not in fields and REQUIRED not in mapping.constants and not mapping.reads_reso_names:
        raise Invalid(
            "No column gives the status. Choose the column, or say which status all rows have.", field=REQUIRED
        )


# As import_batch.mapping keeps it


def as_dict(mapping: FileMapping) -> dict[str, Any]:
    """What was decided, complete: it can be read again when the known mapping has changed."""
    return {
        "name": mapping.name,
        "columns": [[column.header, column.field] for column in mapping.columns],
        "key": list(mapping.key),
        "constants": dict(mapping.constants),
        "is_chosen": mapping.is_chosen,
    }


def from_dict(kept: dict[str, Any]) -> FileMapping:
    """The mapping as it was decided. What its codes mean stays with the known mapping of that name."""
    known = MAPPINGS.get(kept.get("name", ""), MAPPINGS["by_name"])
    codes = {(folded(column.header), column.field): column.codes for column in known.columns}
    columns = tuple(
        Column(header, name, codes.get((folded(header), name))) for header, name in kept["columns"] if name in FIELDS
    )
    blank = {folded(header) for header in known.may_be_blank}
    return replace(
        known,
        columns=columns,
        key=tuple(kept["key"]),
        may_be_blank=frozenset(header for header in kept["key"] if folded(header) in blank),
        constants={name: value for name, value in kept["constants"].items() if name in FIELDS},
        is_chosen=bool(kept.get("is_chosen")),
    )


def suggest(shape: Shape, name: str | None = None) -> FileMapping:
    """The mapping to begin with: the named one, or the known one that fits, or one by the columns' names.

    What does not fit is left out; `bind` says what is still missing.
    """
    mapping = MAPPINGS[name] if name else _fitting(shape)
    if mapping.name == "by_name":
        return _by_names(mapping, shape)
    loose = {folded(header): header for header in reversed(shape.header)}
    if shape.file_format == "json":
        return mapping
    return replace(
        mapping,
        columns=tuple(
            replace(column, header=loose[folded(column.header)])
            for column in mapping.columns
            if folded(column.header) in loose
        ),
        key=tuple(loose[folded(header)] for header in mapping.key if folded(header) in loose),
    )


def _fitting(shape: Shape) -> FileMapping:
    have = {folded(header) for header in shape.header}
    for mapping in MAPPINGS.values():
        needs = {folded(header) for header in (*mapping.key, *(column.header for column in mapping.columns))}
        if mapping.columns and mapping.file_format == shape.file_format and needs <= have:
            return mapping
    return MAPPINGS["reso_web_api" if shape.file_format == "json" else "by_name"]


def _by_names(mapping: FileMapping, shape: Shape) -> FileMapping:
    columns: list[Column] = []
    for header in shape.header:
        target = guess_field(header)
        if target is not None and all(column.field != target for column in columns):
            columns.append(Column(header, target))
    key = guess_key(shape.header)
    return replace(mapping, columns=tuple(columns), key=(key,) if key else ())


def drawn_up(
    base: str, pairs: Iterable[tuple[str, str]], key: Iterable[str], constants: Mapping[str, Any]
) -> FileMapping:
    """A mapping as a person chose it: (column, field) pairs, the key's columns, what is the same in every row.

    Columns of the known mapping `base` keep what their codes mean, and the second field they fill.
    """
    known = MAPPINGS.get(base, MAPPINGS["by_name"])
    chosen = [(header, name) for header, name in pairs if name]
    both = list(chosen)
    for first, second in _second_fields(known).items():
        for header, name in chosen:
            if (folded(header), name) == first and all(second != taken for _, taken in both):
                both.append((header, second))
    return from_dict(
        {"name": known.name, "columns": both, "key": list(key), "constants": dict(constants), "is_chosen": True}
    )


def _second_fields(known: FileMapping) -> dict[tuple[str, str], str]:
    """(column, first field) → second field, for columns that fill two."""
    first: dict[str, str] = {}
    found: dict[tuple[str, str], str] = {}
    for column in known.columns:
        header = folded(column.header)
        if header in first:
            found[header, first[header]] = column.field
        else:
            first[header] = column.field
    return found
