"""Who signs in, and who works here."""
