"""Rollouts: episodes that a policy played, as arrays to learn from, written to files and read back exactly."""
