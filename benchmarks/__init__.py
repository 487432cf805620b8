"""What is measured: each module sets up what it needs, runs bounded work on loopback, and ends in one line of JSON."""
