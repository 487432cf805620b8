"""Legacy MongoDB → PostgreSQL and back. Built by the issue *Legacy sync*; the room is kept."""
