"""Returned mail as servers write it, made here: for tests that have no corpus."""

from __future__ import annotations

DOMAIN = "alerts.harborvine.example"


def dsn(
    *,
    recipient: str = "amelia@example.com",
    status: str = "5.1.1",
    said: str = "550 5.1.1 <amelia@example.com>: Recipient address rejected: User unknown in local recipient table",
    action: str = "failed",
    sent_to: str = f"bounce@{DOMAIN}",
    message_id: str = "",
    words: str = "",
) -> bytes:
    """A delivery status notification (RFC 3464) with the headers of what came back."""
    returned = f"From: alerts@{DOMAIN}\nTo: {recipient}\nSubject: Two homes for you\n" + (
        f"Message-ID: {message_id}\n" if message_id else ""
    )
    return f"""Return-Path: <>
Received: from mx.example.com by {DOMAIN} for <{sent_to}>; Fri, 20 Nov 2026 12:00:00 +0000
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: {sent_to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

<{recipient}>: {words or "host mx.example.com said: " + said}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b1
Content-Type: text/rfc822-headers

{returned}
--b1--
""".encode()


def complaint(*, sent_to: str = f"bounce@{DOMAIN}", message_id: str = "", feedback: str = "abuse") -> bytes:
    """A feedback report (RFC 5965), the recipient left out, as most do."""
    return f"""From: feedback@isp.example
To: {sent_to}
Subject: FW: Two homes for you
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is an email abuse report for an email message received from 192.0.2.1.

--b1
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: SomeISP/1.0
Version: 1
Original-Mail-From: <alerts@{DOMAIN}>

--b1
Content-Type: message/rfc822

From: alerts@{DOMAIN}
Subject: Two homes for you
Message-ID: {message_id or "<none@elsewhere.example>"}

Two homes.
--b1--
""".encode()


def vacation(*, sent_to: str = f"bounce@{DOMAIN}") -> bytes:
    return f"""Return-Path: <>
From: Amelia Carter <amelia@example.com>
To: {sent_to}
Subject: Out of office: Two homes for you
Auto-Submitted: auto-replied

I am away until May 5th. Call 555 0117 if it cannot wait; my mailbox is full of holiday pictures.
""".encode()


def letter(*, sent_to: str, words: str = "Please stop.") -> bytes:
    return f"From: amelia@example.com\nTo: {sent_to}\nSubject: unsubscribe\n\n{words}\n".encode()
