"""The end of a job's time, as an exception that nothing swallows. RQ's own is an ordinary error, and the alarm rings once:
struck inside a `suppress(Exception)`, ours or a library's, it would be gone, and the job go on for ever."""

from __future__ import annotations

from contextlib import suppress
from types import FrameType

from rq import timeouts


class JobTimeoutException(BaseException):
    """The job has had its time. Bears the name of RQ's, whose place it takes: rows name it, and errors are grouped by
    it."""


class TimeLimit(timeouts.UnixSignalDeathPenalty):
    """RQ's alarm, but for what it raises in a job."""

    def handle_death_penalty(self, signum: int, frame: FrameType | None) -> None:
        if self._exception is timeouts.JobTimeoutException:
            raise JobTimeoutException(f"It did not end within {self._timeout} seconds.")
        super().handle_death_penalty(signum, frame)  # type: ignore[no-untyped-call]

    def cancel_death_penalty(self) -> None:
        """An alarm in the very moment of its cancelling comes too late."""
        with suppress(JobTimeoutException):
            super().cancel_death_penalty()  # type: ignore[no-untyped-call]


def limit(seconds: int) -> TimeLimit:
    """What happens inside ends after so many seconds."""
    return TimeLimit(seconds, timeouts.JobTimeoutException)  # type: ignore[no-untyped-call]
