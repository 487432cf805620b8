"""Mails that exist and have no message yet: a run is counted before any of it goes out, an unusual one is halted for a
person's word (PA-27), and an agent who approves a buyer's mails is asked about each."""
