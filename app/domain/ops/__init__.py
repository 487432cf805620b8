"""The run ledger, health, the balance, retention."""
