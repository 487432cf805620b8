"""When what waits for a buyer may go: caps, quiet hours, daily hours, what is late (PA-10, PA-20, PA-21, PA-26)."""
