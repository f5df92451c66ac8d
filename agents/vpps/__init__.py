"""VPPs: what calls of the grid operator ask, and what is held ready for them."""
