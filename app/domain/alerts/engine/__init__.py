"""Matching in memory: the key rows as columns of numbers, for many events at once. The SQL of alerts/queries.py is the
reference, and what is not numbers is asked there (docs/decisions/0022)."""
