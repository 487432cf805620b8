"""Saved searches: criteria, versions, preview."""
