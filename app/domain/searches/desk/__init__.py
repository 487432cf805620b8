"""What the staff's screens read and say of saved searches: lists, one search with its history, places while typing."""
