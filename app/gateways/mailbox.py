"""A mailbox on this machine: a file of mails (mbox), a Maildir folder, or one mail. Read in pieces, however large it is;
each mail as bytes, cut where it is longer than anybody reads."""

from __future__ import annotations

import mailbox
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 256 * 1024
"""Of one mail."""
BATCH = 50
LINE = 64 * 1024
READING = ".reading"

Keep = Callable[[list[bytes]], object]
"""Is told of mails, and has kept them for good when it returns."""


def mails_in(path: Path) -> Iterator[bytes]:
    """Every mail at a path; changes nothing. Raises OSError."""
    if path.is_dir():
        for one in _maildir(path):
            yield _head(one)
        return
    with path.open("rb") as file:
        is_mbox = file.read(5) == b"From "
        file.seek(0)
        if is_mbox:
            yield from _split(file)
        else:
            yield file.read(MOST_BYTES)


def has_mail(path: Path) -> bool:
    """Is there anything to read? Looks at names and sizes only; a mailbox that cannot be looked at has none."""
    try:
        if path.is_dir():
            return any(True for _ in _maildir(path))
        return path.with_name(path.name + READING).exists() or (path.exists() and path.stat().st_size > 0)
    except OSError:
        return False


def empty(path: Path, keep: Keep, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Hand over what is in a mailbox, fifty at a time, and mark what was kept: a mail of a Maildir moves to `cur` as
    seen, a file is emptied. How many there were. One who dies in the middle leaves the rest, and what was not marked is
    handed over again. Raises OSError; a mailbox that does not exist yet is empty."""
    if path.is_dir():
        return _empty_maildir(path, keep, stop)
    return _empty_file(path, keep, stop)


def _empty_maildir(path: Path, keep: Keep, stop: Callable[[], bool]) -> int:
    seen = 0
    waiting: list[Path] = []
    for file in _maildir(path):
        waiting.append(file)
        if len(waiting) == BATCH:
            seen += _hand_over(path, waiting, keep)
            waiting = []
            if stop():
                return seen
    return seen + _hand_over(path, waiting, keep)


def _hand_over(path: Path, files: list[Path], keep: Keep) -> int:
    read: list[tuple[Path, bytes]] = []
    for file in files:
        with suppress(OSError):  # gone: another reader was quicker
            read.append((file, _head(file)))
    if read:
        keep([raw for _, raw in read])
        (path / "cur").mkdir(exist_ok=True)
        for file, _ in read:
            with suppress(FileNotFoundError):
                file.rename(path / "cur" / (file.name.partition(":")[0] + ":2,S"))
    return len(read)


def _maildir(path: Path) -> Iterator[Path]:
    """New mails of a Maildir, or the files of a plain folder; links, pipes and the like are left alone."""
    folder = path / "new" if (path / "new").is_dir() else path
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    yield from (folder / name for name in names if not name.startswith("."))


def _head(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        return file.read(MOST_BYTES)


def _empty_file(path: Path, keep: Keep, stop: Callable[[], bool]) -> int:
    """The file is put aside under its own lock, so that who delivers meanwhile begins a new one."""
    aside = path.with_name(path.name + READING)
    if not aside.exists():
        if not path.exists() or path.stat().st_size == 0:
            return 0
        box = mailbox.mbox(path, create=False)
        try:
            box.lock()
        except mailbox.ExternalClashError:
            return 0  # a delivery is under way; the next look finds it
        try:
            path.rename(aside)
        finally:
            box.unlock()
            box.close()
    seen, batch = 0, []
    with aside.open("rb") as file:
        for raw in _split(file):
            batch.append(raw)
            if len(batch) == BATCH:
                keep(batch)
                seen, batch = seen + len(batch), []
                if stop():
                    return seen
        if batch:
            keep(batch)
            seen += len(batch)
        if file.read(1):
            return seen  # somebody still wrote to it: the next look reads it again
    aside.unlink()
    return seen


def _split(file: BinaryIO) -> Iterator[bytes]:
    """The mails of an mbox: each begins with a line "From " after an empty one."""
    mail: list[bytes] = []
    size, is_begun, after_empty = 0, False, True
    while line := file.readline(LINE):
        if line.startswith(b"From ") and after_empty:
            if is_begun:
                yield b"".join(mail)
            mail, size, is_begun = [], 0, True
        elif size < MOST_BYTES:
            is_begun = True
            piece = line[1:] if line.startswith(b">From ") else line
            mail.append(piece[: MOST_BYTES - size])
            size += len(piece)
        after_empty = line in {b"\n", b"\r\n"}
    if is_begun:
        yield b"".join(mail)
