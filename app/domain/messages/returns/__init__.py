"""What comes back after a message was accepted: how it is read, what it means, and what follows from it."""
