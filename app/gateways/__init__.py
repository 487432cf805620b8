"""The only code that leaves the process. Plain dataclasses in and out; every call has a time-out."""
