"""What a verb raises when it will not do what was asked. app/errors.py turns each into a page or a toast."""

from __future__ import annotations


class DomainError(Exception):
    """A refusal with a sentence for the person who asked."""

    status = 400

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class NotFound(DomainError):
    status = 404


class Forbidden(DomainError):
    status = 403


class Conflict(DomainError):
    """Somebody was quicker, or the row is no longer in the state this verb needs."""

    status = 409


class Invalid(DomainError):
    """The input cannot be used; `field` names the one to mend."""

    status = 422
