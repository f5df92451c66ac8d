"""Policies on the same held-out episodes, and what is measured of them."""
