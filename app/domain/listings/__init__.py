"""Every listing write, and the listing_event it records in the same transaction; file imports."""
