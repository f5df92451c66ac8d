"""Learns by gradient through a differentiable twin of the interval; the twin is held to the core by tests."""
