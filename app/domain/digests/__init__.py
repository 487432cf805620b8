"""Matches → one email per person."""
