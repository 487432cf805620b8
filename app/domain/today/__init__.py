"""The day so far, for the first page: its numbers beside what is usual, what needs a person, what comes next."""
