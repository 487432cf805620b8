"""The outbound queue, suppression, delivery events."""
