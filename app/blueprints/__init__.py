"""The doors people and machines enter by: one folder per screen."""
