"""Readers of what people bring, one format a file: loads, prices, sessions and feeders. They know no scenario."""
