"""Mailboxes on this machine: read in pieces, emptied of what was kept, and safe from what somebody put there."""

from __future__ import annotations

import os

import pytest

from app.gateways import mailbox

MBOX = b"From a@example.com Fri Nov 20\nSubject: one\n\n>From the first line\n\nFrom b@example.com Fri Nov 20\nSubject: two\n\nx\n"


@pytest.fixture
def kept() -> list[bytes]:
    return []


def maildir(tmp_path, *mails: bytes):
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    for number, mail in enumerate(mails):
        (tmp_path / "new" / f"17000000{number:02}.M1.host").write_bytes(mail)
    return tmp_path


def test_a_file_of_mails_is_split_at_its_from_lines(tmp_path):
    file = tmp_path / "bounces"
    file.write_bytes(MBOX)
    first, second = mailbox.mails_in(file)
    assert first == b"Subject: one\n\nFrom the first line\n\n"
    assert second == b"Subject: two\n\nx\n"
    assert file.read_bytes() == MBOX  # reading changes nothing


def test_one_mail_is_one_mail(tmp_path):
    file = tmp_path / "mail.eml"
    file.write_bytes(b"Subject: one\n\nFrom here on\n")
    assert list(mailbox.mails_in(file)) == [b"Subject: one\n\nFrom here on\n"]


def test_a_file_is_emptied_once_everything_in_it_is_kept(tmp_path, kept):
    file = tmp_path / "bounces"
    file.write_bytes(MBOX)
    assert mailbox.has_mail(file)
    assert mailbox.empty(file, kept.extend) == 2
    assert len(kept) == 2
    assert not mailbox.has_mail(file)
    assert mailbox.empty(file, kept.extend) == 0


def test_who_dies_while_keeping_leaves_every_mail_for_the_next(tmp_path, kept):
    file = tmp_path / "bounces"
    file.write_bytes(MBOX)

    def die(mails):
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        mailbox.empty(file, die)
    file.write_bytes(MBOX.replace(b"one", b"three"))  # what came meanwhile is another file
    assert mailbox.empty(file, kept.extend) == 2
    assert mailbox.empty(file, kept.extend) == 2
    assert [mail.splitlines()[0] for mail in kept] == [
        b"Subject: one",
        b"Subject: two",
        b"Subject: three",
        b"Subject: two",
    ]


def test_mails_of_a_maildir_move_to_cur_as_seen(tmp_path, kept):
    box = maildir(tmp_path, b"Subject: one\n\nx", b"Subject: two\n\nx")
    assert mailbox.has_mail(box)
    assert mailbox.empty(box, kept.extend) == 2
    assert [mail.splitlines()[0] for mail in kept] == [b"Subject: one", b"Subject: two"]
    assert not mailbox.has_mail(box)
    assert all(file.name.endswith(":2,S") for file in (box / "cur").iterdir())


def test_links_pipes_and_folders_in_a_maildir_are_left_alone(tmp_path, kept):
    box = maildir(tmp_path, b"Subject: one\n\nx")
    (box / "new" / "link").symlink_to("/etc/passwd")
    os.mkfifo(box / "new" / "pipe")
    (box / "new" / "folder").mkdir()
    assert mailbox.empty(box, kept.extend) == 1


def test_a_huge_mail_without_a_line_end_is_cut_and_the_next_is_read(tmp_path, kept):
    file = tmp_path / "bounces"
    file.write_bytes(b"From a\n" + b"A" * 5_000_000 + b"\n\nFrom b\nSubject: two\n\nx\n")
    mailbox.empty(file, kept.extend)
    assert [len(mail) <= mailbox.MOST_BYTES for mail in kept] == [True, True]
    assert kept[1].startswith(b"Subject: two")


def test_a_mailbox_that_does_not_exist_is_empty(tmp_path, kept):
    assert mailbox.empty(tmp_path / "nothing", kept.extend) == 0
    assert not mailbox.has_mail(tmp_path / "nothing")
