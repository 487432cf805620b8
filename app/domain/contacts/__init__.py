"""The people an office knows: who they are, how to reach them, and what may be sent to them."""
