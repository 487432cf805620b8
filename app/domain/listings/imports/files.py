"""Reading a file that somebody brought: what it is, in which encoding, and its rows one by one.

Nothing is read whole: a file of millions of rows takes no more memory than one of ten. Anything that is not a table of
text or a RESO answer is refused with a sentence (Invalid, field "file").
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import IO, Any, Self

import ijson
from charset_normalizer import from_bytes

from app.domain.listings.imports.records import records
from app.domain.listings.imports.refusal import refused

SAMPLE = 256 * 1024
"""Bytes that decide on encoding and delimiter."""
MOST_PLAIN_BYTES = 2 * 1024**3
"""A compressed file may unfold to this and no further."""
MOST_COLUMNS = 2_000
LONGEST_LINE = 4 * 1024**2
"""Characters."""
DELIMITERS = (",", ";", "\t", "|")
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True)
class Shape:
    """What a look at a file found."""

    file_format: str
    """csv or json."""
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    """The columns' names, made different where the file repeats one: "price", "price (2)"."""
    repeated: tuple[str, ...]
    """Names that the file has more than once."""
    compressed: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Self:
        return cls(**(found | {"header": tuple(found["header"]), "repeated": tuple(found["repeated"])}))


@dataclass(slots=True)
class Row:
    """One row: its cells by column, or why it could not be read."""

    line_no: int
    """The line of the file it begins on; in JSON the record's number. From 1."""
    cells: dict[str, Any]
    problem: str = ""
    at: int = 0
    """Bytes of the file (as it lies there) read so far."""


def look(path: Path) -> Shape:
    """What the file is. Raises Invalid with a sentence when it cannot be read as a table or a RESO answer.

    Reads all of it once, so that a torn or wrongly encoded file is found before its first row is used.
    """
    if path.stat().st_size == 0:
        raise refused("The file is empty.")
    with path.open("rb") as raw:
        start = raw.read(8192)
    compressed = start.startswith(b"\x1f\x8b")
    if not compressed:
        _refuse_known_binary(start)
    with _plain(path, compressed) as stream:
        sample = _read(stream, SAMPLE)
    if not sample.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise refused("The file is empty.")
    if compressed:
        _refuse_known_binary(sample[:8192])
    encoding = _encoding(path, compressed, sample)
    begins = sample.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    if begins[:1] in ("{", "["):
        return _json_shape(path, compressed, encoding)
    if begins[:15].lower().startswith(("<!doctype", "<html", "<?xml", "<table")):
        raise refused("This is a web page or XML, not a table. Save it as CSV and bring that.")
    delimiter = _delimiter(sample.decode(encoding, "replace"), is_whole=len(sample) < SAMPLE)
    header, repeated = _header(path, compressed, encoding, delimiter)
    return Shape("csv", encoding, delimiter, header, repeated, compressed)


def rows(path: Path, shape: Shape) -> Iterator[Row]:
    """Every row after the header, in order. Blank lines are passed over. Raises Invalid where the file is torn."""
    reader = _json_rows if shape.file_format == "json" else _csv_rows
    try:
        yield from reader(path, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refused("The compressed file is torn: it ends too early or is damaged.") from error


# What the bytes say


_BINARY = (
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"SQLite format 3", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
)


def _refuse_known_binary(start: bytes) -> None:
    """Refuse what calls itself something else in its first bytes."""
    if start.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in start or b"xl/" in start or b"opendocument.spreadsheet" in start:
            raise refused("This is a spreadsheet. Save its sheet as CSV (UTF-8) and bring that.")
        raise refused("This is a ZIP archive. Unpack it and bring the CSV or JSON file inside.")
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise refused("This is an old Excel file, or an encrypted one. Save its sheet as CSV (UTF-8) and bring that.")
    for magic, what in _BINARY:
        if start.startswith(magic) and (magic != b"MZ" or b"\x00" in start[:64]):
            raise refused(f"This is {what}, not a table. Bring a CSV or JSON file.")
    if start[257:262] == b"ustar":
        raise refused("This is a tar archive. Unpack it and bring the CSV or JSON file inside.")


class _Plain(io.RawIOBase):
    """The file's bytes, unpacked when it is compressed, never more than MOST_PLAIN_BYTES; knows where it is on disk."""

    def __init__(self, path: Path, *, compressed: bool) -> None:
        self.disk: IO[bytes] = path.open("rb")
        self.inner: Any = gzip.GzipFile(fileobj=self.disk) if compressed else self.disk
        self.allowed = MOST_PLAIN_BYTES if compressed else sys.maxsize

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self.inner.read(len(buffer))
        self.allowed -= len(found)
        if self.allowed < 0:
            raise refused("The file unfolds to more than 2 GB. Bring it in parts.")
        buffer[: len(found)] = found
        return len(found)

    def at(self) -> int:
        return self.disk.tell()

    def close(self) -> None:
        if not self.closed:
            self.inner.close()
            self.disk.close()
        super().close()


def _plain(path: Path, compressed: bool) -> _Plain:
    return _Plain(path, compressed=compressed)


def _read(stream: _Plain, size: int) -> bytes:
    try:
        return io.BufferedReader(stream, 128 * 1024).read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refused("The compressed file is torn: it ends too early or is damaged.") from error


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _encoding(path: Path, compressed: bool, sample: bytes) -> str:
    """By its mark; else by where the zero bytes are; else UTF-8 if all of it is; else what it looks like."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name if _decodes(path, compressed, name) else _damaged(name)
    wide = _zero_pattern(sample)
    if wide and _decodes(path, compressed, wide):
        return wide
    _refuse_binary(sample)
    if _decodes(path, compressed, "utf-8"):
        return "utf-8"
    return _legacy_encoding(path, compressed, sample)


def _damaged(name: str) -> str:
    raise refused(
        f"The file says it is {name.removesuffix('-sig').upper()} but parts of it are not. Save it again as CSV (UTF-8)."
    )


def _zero_pattern(sample: bytes) -> str | None:
    """UTF-16 without a mark: mostly Latin text has a zero in every second byte."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1a\x1b\x00"))


def _refuse_binary(sample: bytes) -> None:
    strange = len(sample) - len(sample.translate(None, _CONTROLS))
    zeros = sample.count(0)
    if strange > len(sample) // 100 or zeros > len(sample) // 10:
        raise refused("This is not a text file. Bring a CSV or JSON file.")


def _decodes(path: Path, compressed: bool, encoding: str) -> bool:
    """Is all of it valid in this encoding? One pass, in pieces."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with _plain(path, compressed) as stream:
            while piece := stream.read(1 << 20):
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refused("The compressed file is torn: it ends too early or is damaged.") from error
    return True


def _legacy_encoding(path: Path, compressed: bool, sample: bytes) -> str:
    """A one-byte encoding: Windows-1252 unless the text speaks for another; Latin-1 reads anything."""
    best = from_bytes(_around_foreign_bytes(sample), cp_isolation=["cp1252", "mac_roman"]).best()
    likely = ["cp1252"]
    if best is not None and "cp1252" not in (best.encoding, *best.could_be_from_charset):
        likely.insert(0, best.encoding)
    for name in likely:
        if _decodes(path, compressed, name):
            return name
    return "latin-1"


def _around_foreign_bytes(sample: bytes) -> bytes:
    """The lines that tell: those with bytes beyond ASCII."""
    telling = [line for line in sample.splitlines(keepends=True) if not line.isascii()]
    return b"".join(telling)[: 64 * 1024] or sample


# CSV


class _Lines:
    """Physical lines for the csv module; one longer than LONGEST_LINE is passed over and remembered."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self.stream = stream
        self.given = 0
        self.too_long = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.given += 1
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            self.too_long = True
            while (more := self.stream.readline(LONGEST_LINE)) and not more.endswith(("\n", "\r")):
                pass
            return "\n"
        return line


def _delimiter(sample: str, *, is_whole: bool) -> str:
    """The delimiter by which most of the first lines fall into the same number of cells, more than one."""
    lines = sample.splitlines(keepends=True)[:200]
    if not is_whole and len(lines) > 1:
        lines = lines[:-1]
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        except csv.Error:
            continue
        if not widths:
            continue
        usual = max(set(widths), key=lambda width: (widths.count(width), width))
        score = widths.count(usual) / len(widths) * min(usual - 1, 50)
        if usual > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _text(stream: _Plain, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(stream, 128 * 1024), encoding, errors="replace", newline="")


def _header(path: Path, compressed: bool, encoding: str, delimiter: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first row that says anything, and that there is a row after it."""
    with _plain(path, compressed) as stream:
        lines = _Lines(_text(stream, encoding))
        found = list(_first_rows(lines, delimiter, 2))
        if lines.too_long and not found:
            raise refused("The first line is longer than four million characters: that is no header.")
    if not found:
        raise refused("The file is empty.")
    names = found[0]
    if len(names) > MOST_COLUMNS:
        raise refused(f"The file has {len(names):,} columns; {MOST_COLUMNS:,} are the most that can be read.")
    if len(found) < 2:
        raise refused("The file has a header but no rows.")
    return _named_apart(names)


def _first_rows(lines: _Lines, delimiter: str, count: int) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    given = 0
    while given < count:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if given == 0:
                raise refused(f"The header on line {reader.line_num} cannot be read: {_csv_reason(error)}.") from error
            cells = ["?"]
        if any(cell.strip() for cell in cells):
            given += 1
            yield cells


def _named_apart(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Blank names become "column 5"; the second "price" becomes "price (2)"."""
    found: dict[str, None] = {}
    repeated: dict[str, None] = {}
    for place, name in enumerate(names, 1):
        clean = _clean_name(name) or f"column {place}"
        if clean in found:
            repeated[clean] = None
        found[_free_name(clean, found)] = None
    return tuple(found), tuple(repeated)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _clean_name(name: str) -> str:
    """In one line, without what the database cannot keep."""
    return " ".join(_UNSTORABLE.sub("", name).split())


def _free_name(name: str, taken: Collection[str]) -> str:
    if name not in taken:
        return name
    return next(numbered for at in count(2) if (numbered := f"{name} ({at})") not in taken)


def _csv_reason(error: csv.Error) -> str:
    said = str(error)
    if "field larger than field limit" in said:
        return "a cell is longer than 131,072 characters, or its quotation mark is never closed"
    if "unexpected end of data" in said:
        return "a quotation mark is never closed"
    if "expected after" in said:
        return "there is text after a closing quotation mark"
    return said


def _csv_rows(path: Path, shape: Shape) -> Iterator[Row]:
    width = len(shape.header)
    with _plain(path, shape.compressed) as stream:
        lines = _Lines(_text(stream, shape.encoding))
        reader = csv.reader(lines, delimiter=shape.delimiter, strict=True)
        is_header = True
        while True:
            first = lines.given + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(
                    first,
                    {},
                    f"Lines {first} to {lines.given}: {_csv_reason(error)}"
                    if lines.given > first
                    else _sentence(error),
                    stream.at(),
                )
                continue
            if lines.too_long:
                lines.too_long = False
                yield Row(first, {}, "The line is longer than four million characters", stream.at())
                continue
            if not any(cells) or not any(cell.strip() for cell in cells):
                continue
            if is_header:
                is_header = False
            elif len(cells) != width:
                yield Row(first, {}, f"The row has {len(cells):,} cells, the header has {width:,}", stream.at())
            else:
                yield Row(first, dict(zip(shape.header, cells, strict=True)), "", stream.at())


def _sentence(error: csv.Error) -> str:
    reason = _csv_reason(error)
    return reason[0].upper() + reason[1:]


# JSON


def _json_bytes(path: Path, compressed: bool, encoding: str) -> tuple[_Plain, Any]:
    stream = _plain(path, compressed)
    if encoding in ("utf-8", "utf-8-sig"):
        buffered = io.BufferedReader(stream, 128 * 1024)
        if buffered.peek(3).startswith(codecs.BOM_UTF8):
            buffered.read(3)
        return stream, buffered
    return stream, _Recoded(_text(stream, encoding))


class _Recoded:
    """A text as UTF-8 bytes, which is what a JSON parser reads."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text

    def read(self, size: int = -1) -> bytes:
        return self.text.read(size).encode()


def _json_rows(path: Path, shape: Shape) -> Iterator[Row]:
    stream, source = _json_bytes(path, shape.compressed, shape.encoding)
    number = 0
    with stream, _well_formed(lambda: number):
        for item in records(source):
            number += 1
            if isinstance(item, dict):
                yield Row(number, _cells(item), "", stream.at())
            else:
                yield Row(number, {}, "This entry is not a record with fields", stream.at())


@lru_cache(maxsize=MOST_COLUMNS)
def _is_clean_name(name: str) -> bool:
    return name != "" and name == _clean_name(name)


def _cells(record: dict[str, Any]) -> dict[str, Any]:
    """The record by clean names. A name that is clean already keeps its value; others make way: "price (2)"."""
    if all(map(_is_clean_name, record)):
        return record
    cells = {name: value for name, value in record.items() if _is_clean_name(name)}
    for name, value in record.items():
        if not _is_clean_name(name):
            cells[_free_name(_clean_name(name) or "column", cells)] = value
    return cells


@contextmanager
def _well_formed(records_read: Callable[[], int]) -> Iterator[None]:
    try:
        yield
    except ArithmeticError as error:  # 1E400000000000000000000
        raise refused(f"The JSON holds a number too large to be read, {_after(records_read())}.") from error
    except (ijson.JSONError, RecursionError, ValueError) as error:
        raise refused(
            f"The JSON is broken {_after(records_read())}: it ends too early or is not well formed."
        ) from error


def _after(records_read: int) -> str:
    return f"after record {records_read:,}" if records_read else "at its beginning"


def _json_shape(path: Path, compressed: bool, encoding: str) -> Shape:
    """With the names that the first records use, in order of first use."""
    shape = Shape("json", encoding, "", (), (), compressed)
    names: dict[str, None] = {}
    seen = 0
    for row in _json_rows(path, shape):
        names |= dict.fromkeys(row.cells)
        seen += 1
        if seen == 200 or len(names) > MOST_COLUMNS:
            break
    if not seen:
        raise refused("The file has no records.")
    return replace(shape, header=tuple(names)[:MOST_COLUMNS])
