"""What time starts: the clock, the queue, and one short file per stage."""
