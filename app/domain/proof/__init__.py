"""What happened, proved from rows: why a buyer was or was not told, what waits for them, a past window once more."""
