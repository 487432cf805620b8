"""Listing events × subscriptions → matches."""
