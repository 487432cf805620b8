"""Intake → routing → offers → claim → follow-up. Built by the issue *Leads and Slack*; the room is kept."""
