"""Who owes what for an interval."""
