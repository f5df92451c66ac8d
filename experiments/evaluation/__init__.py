"""Lets policies play the same held-out episodes and measures them; knows no training and no page."""
