"""Why a message came back: the address is dead, we are blocked, or it may pass (PA-24). Pure.

"Whatever begins with 5 is a dead address" would take two living buyers off the list for each dead one: a full mailbox,
a spam filter and a policy answer 5xx as well. So words are asked before numbers, and what speaks for the address before
what speaks against it:

1. a full mailbox may pass: soft;
2. what is said of us, of the content or of a policy: a block;
3. that there is no such person or no such place: dead, unless the server calls it passing (4xx), or had taken the
   address and says so only once it has seen the content — then it is the content that it does not want;
4. what is said of limits, time and connections: soft;
5. then the numbers: RFC 3463's codes for bad addresses are dead, those for policy and content a block;
6. the rest is soft: an address that is really dead comes back again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from app.domain.messages.returns.letters import Returned
from app.domain.models import Cause

DEAD_ADDRESS = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""RFC 3463 codes that say the address itself is no good. Others are about us, the content or the moment."""
ABOUT_US = re.compile(r"[45]\.(?:6\.\d+|7\.\d+|1\.[789]|3\.4|2\.3)")
"""Codes of policy, of content, of its size and of the sender's address."""
SENDER = re.compile(r"[45]\.1\.[789]")
NAMELESS = re.compile(r"[45]\d\d[ :-]+: \S")
"""`550 : User unknown`: where the address should stand there is none, for none was in question any more."""
LONGEST = 4_000
"""Characters that are looked at."""


class Judged(NamedTuple):
    cause: Cause | None
    """None: nobody could read it."""
    rule: str
    """Which rule decided."""


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


_BOX = r"(?:mail ?box|mail ?folder|mail ?drop|maildir|inbox|spool|account|storage|disk|recipient|user)"
_WHO = r"(?:user ?ids?|users?|recipients?(?: name| address| e-?mail)?|mail ?box|(?:e-?mail )?account|address(?:ee)?|person|alias|customer|subscriber|login|local[ -]?part)"
_GONE = (
    r"(?:unknown|not known|invalid|in?valid|not valid|not (?:be )?found|not exist|non-?exist\w*|not (?:be )?recogni[sz]ed|not listed"
    r"|no longer|not present|undeliverable|unrout\w+|not a (?:known|valid|local)|not have an?|has moved|deleted|terminated|closed|rejected$)"
)

FULL = _words(
    r"\bquota\b",
    rf"\b{_BOX}\b.{{0,40}}\bfull\b",
    r"\bfull (?:mail ?box|inbox)\b",
    r"insufficient (?:\w+ )?(?:space|storage)",
    r"(?:not enough|no|out of) (?:\w+ )?(?:space|storage)\b",
    r"(?:storage|mail ?box size|space) (?:limit|exceeded)",
    r"exceed\w* (?:\w+ ){0,4}(?:storage|mail ?box|allotment|allocation)",
    r"too much mail|mail ?box exceeds",
)
BLOCKED = _words(
    r"\bspam\w*|\bunsolicited|\bjunk\b|\bUBE\b|\bphish\w*|\bvirus|\bmalware|suspicious|\babus\w*|complaint",
    r"(?:black|block|deny|white) ?-?list\w*|\b(?:dns|rh?s?)bls?\b|/(?:bl|rbl)\b|spamhaus|reputation|\bbanned\b|\bblocked\b|\bblocking\b",
    r"\bpolic(?:y|ies)\b|prohibited|forbidden|permission|security|not (?:allowed|permitted|authori[sz]ed|verified|trusted)\b|unauthori[sz]ed",
    r"(?:access|service) (?:\w+ ){0,2}(?:denied|refused)|connections? (?:\w+ ){0,2}not (?:accepted|allowed)",
    r"\bdmarc\b|\bspf\b|\bdkim\b|authenticat\w*|authrequired|\btls\b|certificate",
    r"\brelay\w*|rcpthosts|not a gateway",
    r"\bptr\b|reverse (?:dns|lookup|mapping)|\brdns\b|(?:client|sender|your) (?:host\w*|ip|domain|server|address|network)\b|\b(?:helo|ehlo) (?:command )?(?:reject|invalid|name)",
    r"\bsender\b.{0,60}(?:reject|den|refus|invalid|not exist|not found|verif|block)|domain of sender|from:? (?:header|address)|mail from\b|sender (?:id|address|domain)",
    r"(?:content|message|attachment|header|subject)s?\b.{0,40}\b(?:reject|refus|filter|not accept|denied|too (?:large|big)|violat|size)|message size|size limit|recipsizelimit",
    r"\b(?:refused|rejected|denied|blocked|filtered) (?:due|because|by|for|per|based)\b|\bfiltered\b|preferences|\bcompliant|\brfc-? ?\d{3,4}(?!;)",
    r"too (?:large|big)\b|larger than",
)
NOBODY = _words(
    rf"\b(?:unknown|invalid|no such|non-?existent|illegal|unroute?able|undeliverable|bad|unrecogni[sz]ed|no valid|not? (?:a )?known) (?:local |virtual |e-?mail )?{_WHO}\b|\binvalid (?:\w+ ){{0,2}}user ?id\b",
    rf"\b{_WHO}\b[^;]{{0,80}}?\b{_GONE}",
    rf"\bno (?:\w+ )?{_WHO} (?:here|by|with|found|named|called|of)\b|\bno (?:mail ?box|such (?:person|one|recipient|address))\b",
    r"\b(?:doesn.?t|does not|did not|is not|isn.?t|not|never) (?:\w+ ){0,2}(?:have an?|an?) (?:\S+ ){0,2}(?:account|mail ?box|address|user|recipient)\b",
    rf"\b{_WHO}\b.{{0,60}}?\b(?:does|do|is|was|has|could|can|did)(?: not|n.?t) (?:\w+ )?(?:exist|found|match|valid|known|listed|recogni[sz]ed|in|be found)\b",
    r"recipnotfound|user ?unknown|unknownuser|nosuchuser|user ?not ?found|recipient ?not ?found|not listed in|no longer (?:\w+ ){0,2}(?:here|valid|available|in use|on|employed|works?|with)",
    r"(?:cannot|can.?t|could ?n.?t|could not|unable to) (?:find|locate|resolve|identify) (?:\w+ ){0,3}(?:user|recipient|mail ?box|account|address)",
    r"mail ?box unavailable\b|mail ?box (?:not|isn.?t) (?:here|available|found)|address (?:has )?changed|has moved to|\bhasmoved\b",
)
REFUSED_PLAINLY = _words(
    r"5\.4\.1\b.{0,80}recipient address rejected: access denied",  # a directory that knows its own people says it so
    r"(?<!sender )(?<!from )address rejected\W*(?:\(in reply to rcpt to command\)\W*)?$",
)
NOWHERE = _words(
    r"\b(?:unknown|invalid|no such|non-?existent|bad|illegal|unroute?able) (?:\w+ )?(?:domain|host|destination)\b",
    r"\b(?:domain|host|hostname)s?(?: name)?\b[^;]{0,60}?\b(?:not found|unknown|not exist|non-?existent|invalid|couldn.?t be found|could not be found|not be resolved)",
    r"\bnxdomain\b|\bnull ?mx\b|\bno (?:valid )?mx\b|couldn.?t find (?:a |any )?(?:\w+ ){0,2}(?:mail exchanger|host|domain)|name or service not known|no such domain|no smtp service\b",
    r"unable to (?:find|resolve|look ?up) (?:\w+ ){0,2}(?:domain|host)|mx records? point to non-existent",
)
PASSING = _words(
    r"temporar\w*|gr[ea]y-?list\w*|try(?:ing)? (?:it )?(?:again|later)|retr(?:y|ies)\b|later\b",
    r"time[sd]?[ -]?out|expired|too long|not (?:be )?(?:reached|reachable|responding)|unreachable|no route|connect\w*|network",
    r"\bbusy\b|overload\w*|throttl\w*|\brate\b|\blimit\w*|too many|exceeded|\bloop\w*|hops?\b|resources?|unavailable\b",
    r"suspend\w*|disabled|deactivated|inactive|not active|frozen|locked|on hold|dormant",
)
_REPLY = re.compile(r"(?<![\w.@-])([45]\d\d)(?=[\s\-])(?! ?(?:seconds|minutes|hours|attempts|messages|bytes))")
_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ADDRESS = re.compile(r"<?[^\s<>:;,()\[\]'\"]{1,64}@[^\s<>:;,()\[\]'\"]{1,250}>?")


def code_in(words: str) -> str:
    """The first RFC 3463 code in a sentence; empty when there is none."""
    found = _CODE.search(words)
    return found[1] if found else ""


def judge(words: str, status: str = "", *, stage: str = "") -> Judged:
    """Why a message came back. `words`: what the server said; `status`: the RFC 3463 code beside it, if any; `stage`:
    whether it was the sender, the recipient or the content that it said no to, where that is known."""
    words = " ".join(words[:LONGEST].split())
    answer = _REPLY.search(words)
    said = words[answer.start() :] if answer else words
    reply = answer[1] if answer else ""
    own = code_in(said)
    code = own or status
    plain = _ADDRESS.sub("<>", said)
    if stage == "sender" or SENDER.fullmatch(own):
        return Judged(Cause.BLOCK, "the sender")
    after_content = (stage == "content" or bool(NAMELESS.match(said))) and not own.startswith("5.1.")
    passes = code.startswith("4") or (not code and reply.startswith("4")) or "try again" in plain.lower()
    for pattern, cause, rule in (
        (FULL, Cause.SOFT, "full"),
        (REFUSED_PLAINLY, Cause.DEAD, "nobody"),
        (BLOCKED, Cause.BLOCK, "blocked"),
        (NOBODY, Cause.DEAD, "nobody"),
        (NOWHERE, Cause.DEAD, "nowhere"),
        (PASSING, Cause.SOFT, "passing"),
    ):
        if pattern.search(plain):
            if cause is Cause.DEAD and (passes or after_content):
                return Judged(Cause.SOFT, f"{rule}, but " + ("passing" if passes else "after the content"))
            return Judged(cause, rule)
    for number in (own, status):
        if number in DEAD_ADDRESS:
            return Judged(Cause.SOFT, "code after the content") if after_content else Judged(Cause.DEAD, "code")
        if ABOUT_US.fullmatch(number):
            return Judged(Cause.BLOCK, "code")
    if code or reply:
        return Judged(Cause.SOFT, "number")
    return Judged(None, "nothing")


def cause_of(returned: Returned, number: int = 0) -> Judged:
    """Why a mail came back, of the recipient with this number: what the server said of it, else what the report says to
    a human."""
    person = returned.people[number] if number < len(returned.people) else returned.person
    found = judge(person.words or returned.words, person.status, stage=returned.stage)
    if person.words and found.rule in {"number", "nothing"}:
        in_full = judge(returned.words, person.status, stage=returned.stage)
        return in_full if in_full.cause is not None else found
    return found
