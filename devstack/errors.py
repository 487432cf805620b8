"""The one error a person sees: a sentence that says what to do next."""


class DevstackError(Exception):
    """Cannot go on. The message is shown as it is, without a traceback."""
