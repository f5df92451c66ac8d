"""A ledger that anyone can check: entries in a signed, append-only log, and books replayed from them."""
