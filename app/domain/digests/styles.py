"""Styles written into a mail's tags, where mail programs look for them. Once for a template and not for each mail.

Parsing a template as HTML would move its loops out of their tables. So each tag is read as text, and css-inline is asked
only what style a `td` of class `home` has; what chooses its class while it is rendered is looked up then. That holds for
sheets whose rules are about one element each (`h1`, `.home`, `td.home`); for any other, the finished mail is inlined.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import Environment, Template
from markupsafe import Markup

from app.domain.digests.letterhead import inliner

_SHEET = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_TAG = re.compile(r"<([a-z][a-z0-9]*)((?:\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|[^<>{])*)>", re.DOTALL)
_CLASS = re.compile(r'\sclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"{])*)"', re.DOTALL)
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_ONE_ELEMENT = re.compile(r"(?:[a-z][a-z0-9]*)?(?:\.[A-Za-z][\w-]*)*")
_ELSEWHERE = re.compile(r"\{%-?\s*(?:include|import|from|extends|block|macro)\b")
_COMMENT = re.compile(r"\{#.*?#\}|/\*.*?\*/", re.DOTALL)
_UNSTYLED = frozenset({"html", "head", "meta", "title", "style", "br", "link"})
_INSIDE = {"td": "<table><tr>{}</tr></table>", "th": "<table><tr>{}</tr></table>", "tr": "<table>{}</table>"}


def renderer(environment: Environment, name: str) -> Callable[..., str]:
    """How a template becomes HTML with its styles in its tags: call it with the template's values."""
    return _renderer(environment, name, _source(environment, name) if environment.auto_reload else "")


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@lru_cache(maxsize=16)
def _renderer(environment: Environment, name: str, source: str) -> Callable[..., str]:
    template = styled(environment, source or _source(environment, name))
    if template is not None:
        return template.render
    plain = environment.get_template(name)
    return lambda **values: inliner().inline(plain.render(**values))


def styled(environment: Environment, source: str) -> Template | None:
    """The template with its styles in its tags; None when they cannot be told one tag at a time."""
    sheets = _SHEET.findall(source)
    if len(sheets) != 1 or _ELSEWHERE.search(source):
        return None
    sheet = _COMMENT.sub("", sheets[0])
    if re.search(r"\{\{|\{%", sheet) or not all(_ONE_ELEMENT.fullmatch(one) for one in _selectors(sheet)):
        return None
    style_of = _lookup(sheet)

    def with_style(found: re.Match[str]) -> str:
        tag, rest = found[1], found[2]
        if tag in _UNSTYLED:
            return found[0]
        classes, own = _CLASS.search(rest), _STYLE.search(rest)
        own_style = own[1] if own else ""
        if "{" in own_style:
            raise _BeyondUs
        rest = _STYLE.sub("", rest)
        if classes is None or "{" not in classes[1]:
            return f"<{tag}{rest}{style_of(tag, classes[1] if classes else '', own_style)}>"
        told = f'{{% set its_classes %}}{classes[1]}{{% endset %}} class="{{{{ its_classes }}}}"'
        ask = f'{{{{ style_of("{tag}", its_classes | string, "{own_style}") }}}}'
        return f"<{tag}{_CLASS.sub(lambda _: told, rest)}{ask}>"

    head, tail = source[: source.index("<style>")], source[source.index("</style>") + len("</style>") :]
    try:
        body = _TAG.sub(with_style, tail)
    except _BeyondUs:
        return None
    rules = inliner().inline(f"<html><head><style>{sheet}</style></head><body></body></html>")
    kept = _SHEET.search(rules)
    written = f"{head}{{% raw %}}{kept[0] if kept else ''}{{% endraw %}}{body}"
    template = environment.from_string(written)
    template.globals["style_of"] = style_of
    return template


class _BeyondUs(Exception):
    """A style that only the finished mail knows."""


def _selectors(sheet: str) -> list[str]:
    """Of the rules outside of at-rules."""
    found, depth, begin, is_at = [], 0, 0, False
    for place, letter in enumerate(sheet):
        if letter == "{":
            if depth == 0:
                prelude = sheet[begin:place].strip()
                is_at = prelude.startswith("@")
                found += [] if is_at else [one.strip() for one in prelude.split(",")]
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                begin = place + 1
    return found


def _lookup(sheet: str) -> Callable[[str, str, str], Any]:
    @lru_cache(maxsize=1000)
    def style_of(tag: str, classes: str, own: str) -> Markup:
        """` style="…"` of such an element, empty when it has none."""
        own = f' style="{own}"' if own else ""
        # The marker says which of the page's elements is meant; `body` is there once.
        element = f'<{tag} id="it" class="{classes}"{own}></{tag}>'
        body = element if tag == "body" else f"<body>{_INSIDE.get(tag, '{}').format(element)}</body>"
        page = inliner().inline(f"<html><head><style>{sheet}</style></head>{body}</html>")
        found = re.search(r'<[a-z0-9]+ [^>]*id="it"[^>]*>', page)
        assert found, f"no such element: {tag}"
        style = _STYLE.search(found[0])
        return Markup(style[0]) if style else Markup("")  # noqa: S704  css-inline's own, from our sheet

    return style_of
