"""Criteria as conditions on a listing, or on a listing as an event left it."""
